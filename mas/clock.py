"""Time as the runtime sees it: a clock of the system, and one that a test turns by hand."""

import time
from typing import Protocol

import anyio


class Clock(Protocol):
    """Where times and sleeps come from; all in seconds."""

    def wall(self) -> float:
        """Return seconds since the epoch; may step."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some fixed point; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once that many seconds have passed on this clock."""
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


SYSTEM = SystemClock()
