"""A proxy between a client and Redis that can cut a connection off just before the answers come."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import SocketStream


class Proxy:
    """Hands bytes through until it is told to drop what the server says.

    :param upstream: the server's port on the loopback
    """

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._open: set[SocketStream] = set()
        self._deaf = False
        self.port = 0
        self.cuts = 0

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

    async def _serve(self, client: SocketStream) -> None:
        server = await anyio.connect_tcp("127.0.0.1", self._upstream)
        self._open |= {client, server}
        async with client, server, anyio.create_task_group() as tasks:
            tasks.start_soon(self._pump, server, client, tasks.cancel_scope, True)
            await self._pump(client, server, tasks.cancel_scope, answers=False)
        self._open -= {client, server}

    async def _pump(
        self, source: SocketStream, sink: SocketStream, ended: anyio.CancelScope, answers: bool
    ) -> None:
        with suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            while True:
                data = await source.receive()
                if not (answers and self._deaf):
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
