"""Which of the files that were set aside must go for good: those too old, and the oldest of too much."""

from collections.abc import Iterable
from pathlib import Path


def to_delete(
    files: Iterable[Path], *, max_age: float | None, max_bytes: int | None, now: float
) -> list[Path]:
    """Return the files that must go, oldest first; the newest always stays.

    :param files: oldest first
    :param max_age: seconds since one was written; None: however old
    :param max_bytes: of all that stay together; None: however many
    :param now: seconds since the epoch
    :raises OSError: if one cannot be looked at
    """
    kept = [(path, path.stat()) for path in files]
    total, gone = sum(stat.st_size for _, stat in kept), []
    for path, stat in kept[:-1]:
        old = max_age is not None and stat.st_mtime < now - max_age
        if not old and (max_bytes is None or total <= max_bytes):
            break
        total -= stat.st_size
        gone.append(path)
    return gone
