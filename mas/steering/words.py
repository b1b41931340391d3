"""What runners and operators say to each other by way of Redis."""

from collections.abc import Callable, Iterator
from enum import StrEnum

import msgspec

from mas.ids import is_valid
from mas.supervision import Kind, Snapshot, State, Strategy

LONGEST = 300
"""Characters of an error that travel."""


class Do(StrEnum):
    """What can be done to a child or a subtree."""

    RESTART = "restart"
    """Stop it and start it, with whom its supervisor's strategy restarts with it."""

    START = "start"
    STOP = "stop"
    """Let what is under way finish within its shutdown time; it stays down until it is started."""

    PAUSE = "pause"
    """Have it begin nothing more; what is under way goes on."""

    RESUME = "resume"
    DRAIN = "drain"
    """Pause it and wait until nothing is under way."""


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operator's word to one runner."""

    id: str
    """Random, so that a copy is known for one."""
    do: Do
    path: str
    """Which child, from below the root."""
    expires: float
    """Seconds since the epoch by Redis' clock, after which it must not be obeyed."""
    actor: str
    """Who wants it, as far as that is known."""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a command."""

    error: str = ""
    """Why it was not done, or not all of it; empty if it was."""
    state: State | None = None
    """What state the child is in now; None if there is none of that path."""
    along: tuple[str, ...] = ()
    """The paths of those besides it that were restarted, paused or resumed with it."""


class Node(msgspec.Struct, frozen=True, omit_defaults=True):
    """A child of a supervisor, and all below it."""

    name: str
    path: str
    kind: Kind
    state: State
    uptime: float
    """Seconds since it was ready."""
    restarts: int = 0
    last_error: str = ""
    agent: str = ""
    """Whose instance it is, if it is one."""
    pid: int = 0
    """Of its own process, if it has one."""
    children: tuple["Node", ...] = ()
    strategy: Strategy | None = None
    """A supervisor's."""

    def walk(self) -> Iterator["Node"]:
        """Go through it and all below it, parents first, in declared order."""
        yield self
        for child in self.children:
            yield from child.walk()


class Runner(msgspec.Struct, frozen=True):
    """A process that runs a system, or parts of one."""

    runner: str
    """What it is called; valid as part of a key."""
    host: str
    pid: int
    parts: tuple[str, ...]
    at: float
    """Seconds since the epoch by the runner's clock at which the tree looked so."""
    tree: Node
    silent: float = 0.0
    """Seconds since then by Redis' clock, as whoever reads it finds out."""

    def __post_init__(self) -> None:
        if not is_valid(self.runner):
            raise ValueError("a runner's name could not be part of a key")


def node_of(snapshot: Snapshot, about: Callable[[str], tuple[str, int]]) -> Node:
    """Return a snapshot as it travels.

    :param about: gives agent and process id behind a path; "" and 0 for none
    """
    return Node(
        snapshot.name,
        snapshot.path,
        snapshot.kind,
        snapshot.state,
        round(snapshot.uptime, 3),
        snapshot.restarts,
        snapshot.last_error[:LONGEST],
        *about(snapshot.path),
        tuple(node_of(child, about) for child in snapshot.children),
        snapshot.strategy,
    )
