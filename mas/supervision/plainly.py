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
        if raised and _leaves(group) == _leaves(raised[0]):
            # By what is in it, for an event loop may have made the group anew on its way.
            raise raised[0] from raised[0].__cause__
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from error.__cause__


def _leaves(error: BaseException) -> set[int]:
    """Return the identities of what is wrapped in a group, however deep."""
    if isinstance(error, BaseExceptionGroup):
        return {leaf for inner in error.exceptions for leaf in _leaves(inner)}
    return {id(error)}
