"""Raise what went wrong, not the groups it is wrapped in."""

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def told_plainly() -> Generator[list[BaseException]]:
    """Unwrap groups of one; what is put into the list that this gives comes out as it is, group or not."""
    raised: list[BaseException] = []
    try:
        yield raised
    except BaseExceptionGroup as group:
        error: BaseException = group
        while error not in raised and isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from error.__cause__
