"""Time as the runtime sees it: a clock of the system, and one that a test turns by hand.

Whoever sleeps, waits with a deadline or asks what time it is does so through a `Clock`, so that one
object decides how fast time passes, on asyncio and on trio alike. All times are seconds.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Generator, Sized
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import anyio
import anyio.lowlevel


class Clock(Protocol):
    """Where times, sleeps and deadlines come from; all in seconds."""

    def wall(self) -> float:
        """Return seconds since the epoch; may step."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some fixed point; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once that many seconds have passed on this clock."""
        ...

    def move_on_after(
        self, seconds: float | None, *, shield: bool = False
    ) -> AbstractContextManager[anyio.CancelScope]:
        """Cut the block short once that many seconds have passed; None means never.

        Ask the scope's `cancelled_caught` whether it was.
        """
        ...


class SystemClock:
    """The machine's own clock."""

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds since some fixed point."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop."""
        await anyio.sleep(seconds)

    def move_on_after(
        self, seconds: float | None, *, shield: bool = False
    ) -> AbstractContextManager[anyio.CancelScope]:
        """Cut the block short at a deadline of the event loop."""
        return anyio.move_on_after(seconds, shield=shield)


SYSTEM = SystemClock()


@contextmanager
def fail_after(
    clock: Clock, seconds: float | None, *, shield: bool = False
) -> Generator[anyio.CancelScope, None, None]:
    """Cut the block short once that many seconds have passed on the clock, and say so.

    :raises TimeoutError: if the block was cut short
    """
    with clock.move_on_after(seconds, shield=shield) as scope:
        yield scope
    if scope.cancelled_caught:
        msg = f"not done within {seconds:g} s"
        raise TimeoutError(msg)


class ManualClock:
    """A clock that stands still until it is turned.

    Sleepers wake in the order in which they are due, and each may run until it waits for something
    else before the next is woken, so what a test sees does not depend on the machine's speed::

        clock = ManualClock()
        task_group.start_soon(clock.sleep, 3600)
        await clock.advance(3600)  # the sleeper has run on

    :param wall: seconds since the epoch at which it begins
    :param monotonic: what `monotonic()` says at the beginning
    """

    def __init__(self, *, wall: float = 1_700_000_000.0, monotonic: float = 0.0) -> None:
        self._now = monotonic
        self._epoch = wall - monotonic
        self._alarms: list[tuple[float, int, _Alarm]] = []
        self._serial = itertools.count()

    def wall(self) -> float:
        """Return seconds since the epoch, as far as it was turned."""
        return self._epoch + self._now

    def monotonic(self) -> float:
        """Return its reading."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was advanced by that many seconds."""
        with self._alarm(seconds) as alarm:
            await alarm.rung.wait()
        await anyio.lowlevel.checkpoint_if_cancelled()

    @contextmanager
    def move_on_after(
        self, seconds: float | None, *, shield: bool = False
    ) -> Generator[anyio.CancelScope, None, None]:
        """Cut the block short once the clock was advanced by that many seconds."""
        with anyio.CancelScope(shield=shield) as scope:
            if seconds is None:
                yield scope
            else:
                with self._alarm(seconds, scope.cancel):
                    yield scope

    async def advance(self, seconds: float) -> None:
        """Turn the clock forward, waking on the way whoever is due, in order.

        Returns when every task waits for something: for another, for the world, or for this clock.

        :raises ValueError: if asked to turn it back
        """
        if seconds < 0:
            msg = f"time cannot be turned back by {-seconds:g} s"
            raise ValueError(msg)
        await self.settle()
        target = self._now + seconds
        while self._alarms and self._alarms[0][0] <= target:
            due = self._alarms[0][0]
            self._now = max(self._now, due)
            while self._alarms and self._alarms[0][0] <= due:
                heapq.heappop(self._alarms)[2].ring()
            await self.settle()
        self._now = target

    async def settle(self) -> None:
        """Let every task run until it waits for something, while the time stands still."""
        await anyio.lowlevel.checkpoint()
        queue = _asyncio_queue()
        if queue is None:
            await anyio.wait_all_tasks_blocked()
            return
        idle = 0
        while idle < 2:
            idle = 0 if queue else idle + 1
            await anyio.lowlevel.checkpoint()

    @contextmanager
    def _alarm(
        self, seconds: float, action: Callable[[], object] | None = None
    ) -> Generator["_Alarm", None, None]:
        alarm = _Alarm(action)
        if seconds <= 0:
            alarm.ring()
        else:
            heapq.heappush(self._alarms, (self._now + seconds, next(self._serial), alarm))
        try:
            yield alarm
        finally:
            alarm.action = None


class _Alarm:
    """What happens at a time; forgotten when whoever set it has left."""

    def __init__(self, action: Callable[[], object] | None) -> None:
        self.rung = anyio.Event()
        self.action = action

    def ring(self) -> None:
        self.rung.set()
        if self.action is not None:
            self.action()


def _asyncio_queue() -> Sized | None:
    """Return what asyncio is about to run; None on another event loop.

    To ask asyncio's tasks whether they wait is not enough: between the end of one task and the waking of
    the one that waits for it there is a moment when all of them do.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    return getattr(loop, "_ready", None)
