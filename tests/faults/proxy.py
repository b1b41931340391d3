"""A proxy between a client and Redis that cuts off, delays, falls silent or closes one half."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import SocketStream


class Proxy:
    """Hands bytes through until it is told to do otherwise.

    :param upstream: the server's port on the loopback
    :ivar delay: seconds that each piece is held back, in either direction
    """

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._open: set[SocketStream] = set()
        self._clients: set[SocketStream] = set()
        self._told_end: set[SocketStream] = set()
        self._deaf = False
        self._road = anyio.Event()
        self._road.set()
        self.port = 0
        self.cuts = 0
        self.delay = 0.0

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def cut(self) -> None:
        """Let commands in flight reach the server, drop its answers, then close every connection."""
        self._deaf = True
        await anyio.sleep(0.02)  # time for commands to pass in the one direction
        for stream in list(self._open):
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                await anyio.aclose_forcefully(stream)
        self._open.clear()
        self._deaf = False
        self.cuts += 1

    def fall_silent(self) -> None:
        """Hold back every byte in both directions; connections stay open, and new ones are accepted."""
        self._road = anyio.Event()

    def heal(self) -> None:
        """Hand on what was held back, also on behalf of who has closed its end meanwhile."""
        self._road.set()

    async def half_close(self) -> None:
        """End the server's half of every connection; what clients say is still handed on."""
        for stream in list(self._clients):
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
                self._told_end.add(stream)
                await stream.send_eof()
        self.cuts += 1

    async def _serve(self, client: SocketStream) -> None:
        server = await anyio.connect_tcp("127.0.0.1", self._upstream)
        self._open |= {client, server}
        self._clients.add(client)
        async with client, server, anyio.create_task_group() as tasks:
            tasks.start_soon(self._pump, server, client, tasks.cancel_scope, True)
            await self._pump(client, server, tasks.cancel_scope, answers=False)
        self._open -= {client, server}
        self._clients.discard(client)
        self._told_end.discard(client)

    async def _pump(
        self, source: SocketStream, sink: SocketStream, ended: anyio.CancelScope, answers: bool
    ) -> None:
        with suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            while True:
                data = await source.receive()
                if self.delay:
                    await anyio.sleep(self.delay)
                await self._road.wait()
                if not (answers and (self._deaf or sink in self._told_end)):
                    await sink.send(data)
        ended.cancel()


@asynccontextmanager
async def proxy(upstream: int) -> AsyncGenerator[Proxy]:
    """Run a proxy on a free port of the loopback for the length of a block."""
    running = Proxy(upstream)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        running.port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, running._serve)
            yield running
            tasks.cancel_scope.cancel()
