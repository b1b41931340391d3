"""A supervisor as its parent sees it, and what the parent hands down."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from mas.clock import Clock
from mas.errors import StopOverrun
from mas.supervision.events import Event
from mas.supervision.tree import Snapshot


@dataclass(frozen=True, slots=True)
class Line:
    """What connects a supervisor with the one above it.

    :param path: its own path from below the root; "" is the root
    :param clock: the clock above
    :param tell: hears its events and those of all below it
    :param on_stuck: hears that it cannot end, because something below it will not
    """

    path: str
    clock: Clock
    tell: Callable[[Event], None]
    on_stuck: Callable[[StopOverrun], None]


class Nested(ABC):
    """A supervisor that can be another's child."""

    @abstractmethod
    def adopt(self, line: Line) -> None:
        """Take its place in a tree; called before each of its starts."""

    @abstractmethod
    def hurry(self) -> None:
        """Stop asking children that are being stopped, now and from now on."""

    @abstractmethod
    def tree(self, path: str = "") -> Snapshot:
        """Return what it looks like now, under that path."""


def nested_in(run: object) -> Nested | None:
    """Return the supervisor that a child's `run` is, or is a method of."""
    owner = getattr(run, "__self__", run)
    return owner if isinstance(owner, Nested) else None
