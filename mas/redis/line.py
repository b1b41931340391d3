"""Move bytes over one connection, both ways at once, until it breaks."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
import hiredis
from anyio.abc import ByteStream
from anyio.lowlevel import checkpoint

from mas.clock import Clock
from mas.redis.exchange import BROKEN, words
from mas.redis.refusal import to_exception, unfit

RECEIVE: Final = 262_144  # bytes read at most at once
TICKS: Final = 4  # how often the watch looks within the time a silence may last
MORE: Final = object()
"""What the reader returns when the next value has not arrived in full."""


class LineBroken(Exception):
    """The connection is of no more use, for the reason in its text; never leaves this package."""


class Line(ABC):
    """One connection: a writer that joins what is queued into one write, a reader, and a watch for silence.

    :param silence: seconds a peer that owes something may say nothing
    """

    __slots__ = ("_idle", "_reason", "_room", "_stream", "_tick", "clock", "queued", "reader", "unsent")

    def __init__(self, stream: ByteStream, *, silence: float, clock: Clock) -> None:
        self._stream, self._tick, self.clock = stream, silence / TICKS, clock
        self.reader: Any = hiredis.Reader(replyError=self._error, notEnoughData=MORE)
        self.queued: list[bytes] = []
        self.unsent = 0
        self._idle: anyio.Event | None = None
        self._room: anyio.Event | None = None
        self._reason = ""

    @abstractmethod
    def drain(self) -> None:
        """Take every value the reader holds; :raises LineBroken: if one makes no sense."""

    @abstractmethod
    def watch(self) -> None:
        """Look, `TICKS` times per permitted silence; :raises LineBroken: once it has lasted too long."""

    def send(self, data: bytes) -> None:
        """Queue bytes for the next write."""
        self.queued.append(data)
        self.unsent += len(data)
        if self._idle is not None:
            self._idle.set()
            self._idle = None

    async def room(self) -> None:
        """Wait until the peer has taken some of what is queued, or the connection is gone."""
        if self._room is None:
            self._room = anyio.Event()
        await self._room.wait()

    async def serve(self) -> str:
        """Work until the connection breaks and return why; the caller closes the stream."""
        try:
            async with anyio.create_task_group() as tasks:
                for work in (self._write, self._read, self._watch):
                    tasks.start_soon(self._until_broken, work, tasks.cancel_scope)
        finally:
            self._wake()
        return self._reason

    async def _until_broken(self, work: Callable[[], Awaitable[None]], scope: anyio.CancelScope) -> None:
        try:
            await work()
        except (*BROKEN, LineBroken) as error:
            self._reason = self._reason or words(error)
            scope.cancel()

    async def _write(self) -> None:
        queued = self.queued
        while True:
            if not queued:
                idle = self._idle = anyio.Event()
                await idle.wait()
                # Who runs in the same turn as the first to ask may have something to ask as well.
                await checkpoint()
            # Whatever was queued while the last write was under way goes out as one.
            data = b"".join(queued)
            queued.clear()
            await self._stream.send(data)
            self.unsent -= len(data)
            self._wake()

    async def _read(self) -> None:
        while True:
            self.reader.feed(await self._stream.receive(RECEIVE))
            self.drain()
            if self._reason:
                raise LineBroken

    async def _watch(self) -> None:
        while True:
            await self.clock.sleep(self._tick)
            self.watch()

    def _wake(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    def _error(self, text: str) -> Exception:
        error = to_exception(text)
        if unfit(error):
            # The rest of what has arrived is still handed out before the line is given up.
            self._reason = f"the server is no master any more: {text}"
        return error
