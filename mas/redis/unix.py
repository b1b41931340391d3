"""A connected unix socket as a byte stream.

anyio's own, on one of its event loops, hands a result to a future that may have been cancelled in the
same pass, as when a connection breaks or is closed while an answer arrives; what comes of it is an error
that nobody can catch. Waiting for the bare socket does not have that flaw.
"""

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.lowlevel import checkpoint


class UnixStream(ByteStream):
    """See the module.

    :param opened: what it wraps; closed with it, and not to be used beside it
    """

    def __init__(self, opened: anyio.abc.SocketStream) -> None:
        self._opened, self._raw = opened, opened.extra(SocketAttribute.raw_socket)  # noqa: S610 - no database

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Return what has arrived, at least one byte.

        :raises anyio.EndOfStream: when the peer has closed
        """
        await checkpoint()
        while True:
            try:
                data = self._raw.recv(max_bytes)
            except BlockingIOError:
                await anyio.wait_readable(self._raw)
            except OSError as error:
                raise self._broken() from error
            else:
                if not data:
                    raise anyio.EndOfStream
                return data

    async def send(self, item: bytes) -> None:
        """Return when the system has taken all of it."""
        await checkpoint()
        rest = memoryview(item)
        while rest:
            try:
                rest = rest[self._raw.send(rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self._raw)
            except OSError as error:
                raise self._broken() from error

    async def send_eof(self) -> None:
        """Say that nothing more will be sent."""
        await self._opened.send_eof()

    async def aclose(self) -> None:
        """Close it; whoever waits for it is told."""
        if self._raw.fileno() != -1:
            anyio.notify_closing(self._raw)
        await self._opened.aclose()

    def _broken(self) -> Exception:
        return anyio.ClosedResourceError() if self._raw.fileno() == -1 else anyio.BrokenResourceError()
