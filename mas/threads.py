"""Threads of the runtime's own: those that everyone shares may all be at work for agents that block."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import anyio
from anyio.lowlevel import RunVar

Result = TypeVar("Result")

_MOST: Final = 8
"""At once: a few files are written or read, and one that hangs must not hold up the others."""
_limiter: RunVar[anyio.CapacityLimiter] = RunVar("mas threads")


async def in_thread(work: Callable[..., Result], *args: Any) -> Result:
    """Return what work that waits for a disk returns, while others have their turn; it is not cut short."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(_MOST)
        _limiter.set(limiter)
    return await anyio.to_thread.run_sync(work, *args, limiter=limiter)
