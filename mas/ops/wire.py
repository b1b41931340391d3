"""Listening sockets, and an accepted one as a byte stream that holds nothing unread.

anyio's own streams, on one of its event loops, go on taking in what an accepted connection sends while
nobody asks for it: whoever sends faster than it is answered would fill the memory, and needs no token for
that. On a bare socket what is not read stays with whoever sent it.
"""

import errno
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import anyio
from anyio.abc import ByteStream
from anyio.lowlevel import checkpoint

_BACKLOG: Final = 64
_BREATH: Final = 0.1
"""Seconds before the next try where the system is short of something."""
_SHORT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_GONE: Final = frozenset({errno.EAGAIN, errno.EINTR, errno.ECONNABORTED, errno.EPERM})
"""Whoever knocked has gone, or a firewall saw to it."""


class Wire(ByteStream):
    """An accepted connection.

    :param raw: closed with this
    """

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        raw.setblocking(False)

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
                raise anyio.BrokenResourceError from error
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
                raise anyio.BrokenResourceError from error

    async def send_eof(self) -> None:
        """Say that nothing more will be sent."""
        await checkpoint()
        try:
            self._raw.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise anyio.BrokenResourceError from error

    async def aclose(self) -> None:
        """Close it, at once; nobody else may be waiting for it."""
        self._raw.close()


@asynccontextmanager
async def listening(host: str, port: int) -> AsyncGenerator[list[socket.socket]]:
    """Listen at every address of a host, for the length of a block.

    :param port: 0: a free one, the same at all addresses
    :raises OSError: if one is taken, or none is this machine's
    """
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    async with AsyncExitStack() as stack:
        listeners: list[socket.socket] = []
        for family, address in dict.fromkeys((each[0], each[4]) for each in found):
            listener = socket.socket(family, socket.SOCK_STREAM)
            stack.callback(listener.close)
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                # Or it takes the other family's addresses too, which have a listener of their own.
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address[0], port_of(listeners) or port, *address[2:]))
            listener.listen(_BACKLOG)
            listeners.append(listener)
        yield listeners


def port_of(listeners: list[socket.socket]) -> int:
    """Return the port that they listen at; 0 of none."""
    return int(listeners[0].getsockname()[1]) if listeners else 0


async def accepted(listener: socket.socket) -> socket.socket:
    """Return the next connection, however long that takes.

    :raises OSError: if the listener is of no more use
    """
    while True:
        await anyio.wait_readable(listener)
        try:
            return listener.accept()[0]
        except OSError as error:
            if error.errno in _GONE:
                continue
            if error.errno not in _SHORT:
                raise
            await anyio.sleep(_BREATH)
