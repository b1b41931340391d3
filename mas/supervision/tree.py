"""What a supervision tree looks like at one moment, frozen."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from mas.supervision.strategy import Strategy


class State(StrEnum):
    """Where a child is in its life."""

    STOPPED = "stopped"
    """Not started yet, declined, or stopped on request."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    BACKOFF = "backoff"
    """It failed and waits to be started again."""

    RESTARTING = "restarting"
    """It was taken down with a sibling that failed, and will be started again."""

    STOPPING = "stopping"
    OVERRUN = "overrun"
    """It was cancelled and runs on past its time."""

    FINISHED = "finished"
    """It ended by itself, without failing."""

    FAILED = "failed"
    """It failed and will not be started again."""

    @property
    def awaits_start(self) -> bool:
        """Whether its supervisor is about to start it again."""
        return self in _AWAITING

    @property
    def active(self) -> bool:
        """Whether its task exists."""
        return self in _ACTIVE


_AWAITING = frozenset({State.BACKOFF, State.RESTARTING})
_ACTIVE = frozenset({State.STARTING, State.RUNNING, State.PAUSED, State.STOPPING, State.OVERRUN})


class Kind(StrEnum):
    """What a child is."""

    WORKER = "worker"
    SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A child and all below it, as they were at one moment.

    :param path: what to call it by when talking to the supervisor that was asked; "" is itself
    :param uptime: seconds since it was ready; 0 while it is not
    :param restarts: how often it was started again since its supervisor started
    :param last_error: type and text of its last failure; "" if there was none
    :param strategy: a supervisor's; None for a worker
    """

    name: str
    path: str
    kind: Kind
    state: State
    uptime: float
    restarts: int
    last_error: str
    children: tuple["Snapshot", ...] = ()
    strategy: Strategy | None = None

    def walk(self) -> Iterator["Snapshot"]:
        """Go through it and all below it, parents first, in declared order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def find(self, path: str) -> "Snapshot | None":
        """Return the one with that path, if there is one."""
        return next((node for node in self.walk() if node.path == path), None)

    def count(self, *states: str) -> int:
        """Return how many below it are in one of the states."""
        return sum(node.state in states for node in self.walk() if node is not self)


def brief(error: BaseException | None) -> str:
    """Return type and text of an error; "" for none."""
    return "" if error is None else f"{type(error).__name__}: {error}"
