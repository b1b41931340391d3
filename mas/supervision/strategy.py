"""Which children a failure concerns, and whether an ending calls for a restart: Erlang's tables."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

from mas.errors import ConfigurationError

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class Strategy(StrEnum):
    """Who is restarted with a child that failed."""

    ONE_FOR_ONE = "one_for_one"
    """Only the child itself."""

    ONE_FOR_ALL = "one_for_all"
    """All children: they cannot do without one another."""

    REST_FOR_ONE = "rest_for_one"
    """The child and those declared after it, which depend on it."""

    POOL = "pool"
    """Only the child itself; children come and go, are forgotten when they have ended, stop together."""


class Restart(StrEnum):
    """When a child that ended is started again."""

    PERMANENT = "permanent"
    """Always."""

    TRANSIENT = "transient"
    """When it failed; not when it returned or was cancelled."""

    TEMPORARY = "temporary"
    """Never, not even with its siblings."""


class Ending(StrEnum):
    """How a child ended that its supervisor had not told to."""

    RETURNED = "returned"
    CANCELLED = "cancelled"
    """By somebody else than its supervisor: Erlang's `shutdown`."""

    RAISED = "raised"


def chosen(kind: type[E], value: E | str) -> E:
    """Return the member that has this value, as a configuration file spells it.

    :raises ConfigurationError: if none has
    """
    try:
        return kind(value)
    except ValueError:
        raise ConfigurationError(f"{value!r} is no {kind.__name__.lower()}", hint=" | ".join(kind)) from None


def calls_for_restart(restart: Restart, ending: Ending) -> bool:
    """Say whether a child that ended so is started again."""
    return ending in _RESTARTED[restart]


def affected(strategy: Strategy, children: Sequence[T], failed: T) -> Sequence[T]:
    """Return the children that are restarted when one of them failed, in declared order."""
    if strategy is Strategy.ONE_FOR_ALL:
        return children
    if strategy is Strategy.REST_FOR_ONE:
        return children[children.index(failed) :]
    return (failed,)


_RESTARTED = {
    Restart.PERMANENT: frozenset(Ending),
    Restart.TRANSIENT: frozenset({Ending.RAISED}),
    Restart.TEMPORARY: frozenset[Ending](),
}
