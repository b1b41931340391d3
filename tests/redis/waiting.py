"""Wait in a test for what only another process can bring about."""

from collections.abc import Callable

import anyio


async def until(condition: Callable[[], object], *, within: float = 10) -> None:
    """Return once the condition holds; :raises TimeoutError: if it does not within so many seconds."""
    with anyio.fail_after(within):
        while not condition():  # noqa: ASYNC110 - no event crosses the border of a process
            await anyio.sleep(0.002)
