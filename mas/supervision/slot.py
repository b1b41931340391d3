"""A child's place in its supervisor: what was declared, what runs there now, what became of it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from mas.errors import StartFailed
from mas.supervision.budget import Window
from mas.supervision.child import Child
from mas.supervision.life import Life
from mas.supervision.nested import Nested
from mas.supervision.strategy import Restart
from mas.supervision.tree import Kind, Snapshot, State, brief

if TYPE_CHECKING:
    from mas.supervision.group import Group


@dataclass(slots=True, eq=False)
class Attempt:
    """The next attempt to start a child, for whoever waits for it.

    :param done: set once it is over, or will not be made
    :param error: why it failed, if it did
    """

    done: anyio.Event = field(default_factory=anyio.Event)
    error: StartFailed | None = None


@dataclass(slots=True, eq=False)
class Slot:
    """Everything a supervisor knows about one child.

    :param nested: the child itself, if it is a supervisor
    :param group: the children it is mended together with
    :param wanted: a restart of its group would start it
    :param forgotten: it loses its place; whoever still holds it must not start it
    :param paused: it was paused on request, and will be again after a restart
    :param failures: how often in a row it failed without a healthy stretch between
    :param since: monotonic seconds at which it became ready
    """

    child: Child
    path: str
    nested: Nested | None
    group: "Group"
    window: Window | None
    state: State = State.STOPPED
    life: Life | None = None
    wanted: bool = True
    forgotten: bool = False
    paused: bool = False
    restarts: int = 0
    failures: int = 0
    since: float = 0.0
    error: BaseException | None = None
    attempt: Attempt = field(default_factory=Attempt)

    @property
    def untouched(self) -> bool:
        """Whether it shall run and nobody has started it yet."""
        return self.wanted and self.life is None and self.state is State.STOPPED

    @property
    def temporary(self) -> bool:
        """Whether nothing ever starts it again."""
        return self.child.restart is Restart.TEMPORARY

    def conclude(self, error: StartFailed | None = None) -> None:
        """Note how an attempt to start it went; wake those who wait for it."""
        attempt, self.attempt = self.attempt, Attempt()
        attempt.error = error
        attempt.done.set()

    def snapshot(self, path: str, now: float) -> Snapshot:
        """Return it as it is.

        :param path: what to call it
        :param now: monotonic seconds
        """
        below = None if self.nested is None else self.nested.tree(path)
        return Snapshot(
            name=self.child.name,
            path=path,
            kind=Kind.WORKER if below is None else Kind.SUPERVISOR,
            state=self.state,
            uptime=now - self.since if self.state in _UP else 0.0,
            restarts=self.restarts,
            last_error=brief(self.error),
            children=() if below is None else below.children,
            strategy=None if below is None else below.strategy,
        )


_UP = frozenset({State.RUNNING, State.PAUSED})
