"""What a test asks about other processes, and how it waits for them."""

from collections.abc import Callable
from pathlib import Path

import anyio


async def until(condition: Callable[[], object], *, within: float = 10, every: float = 0.002) -> None:
    """Return once the condition holds; :raises TimeoutError: if it does not within so many seconds."""
    with anyio.fail_after(within):
        while not condition():
            await anyio.sleep(every)


def lives(pid: int) -> bool:
    """Say whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
