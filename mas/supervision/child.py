"""What a supervisor must know of a child: how it runs, when it is restarted, how it is stopped."""

from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import Any, Protocol

from mas.errors import ConfigurationError
from mas.supervision.backoff import Backoff
from mas.supervision.budget import Budget
from mas.supervision.nested import Nested, nested_in
from mas.supervision.strategy import Restart, chosen

Run = Callable[..., Awaitable[object]]
Hook = Callable[[], Awaitable[object] | None]


class Runner(Protocol):
    """Anything with a `run` that says when it is ready: a supervisor, for one."""

    async def run(self, *, task_status: Any) -> None:
        """Call `task_status.started()` when ready; return when done."""
        ...


class Declined(Exception):
    """Raised by a child that is not ready yet to say that there is nothing for it to do.

    Not a failure: the child counts as stopped, and its siblings start without it.
    """


@dataclass(frozen=True, slots=True)
class Child:
    """One child of a supervisor.

    :param name: unique among its siblings; no "/"
    :param run: `async def run(*, task_status)`, or an object with such a method; calls
        `task_status.started()` when it is ready to work
    :param restart: when it is started again
    :param start_timeout: seconds within which it must be ready; None: no limit. A nested supervisor
        has none, for its own children have theirs
    :param shutdown: seconds it may take to end once it is told to, see `ways_to_stop`; 0: it is
        cancelled at once; None: as long as it takes. A nested supervisor always has what it needs
    :param unwind: seconds it may take to end when it is cancelled because `shutdown` is 0 or over
    :param budget: its own; its restarts then do not count against its supervisor's, and when it is
        spent this child is given up while its siblings live on
    :param backoff: its own; None: its supervisor's
    :param significant: its own budget, when spent, is a failure of the supervisor after all
    :param stop: asks it to finish what it is doing and return; called within `shutdown`
    :param pause: makes it cease work for a while, without ending
    :param resume: undoes `pause`
    :raises ConfigurationError: if one of these cannot be used
    """

    name: str
    run: Run | Runner
    _: KW_ONLY
    restart: Restart = Restart.PERMANENT
    start_timeout: float | None = 30.0
    shutdown: float | None = 5.0
    unwind: float = 5.0
    budget: Budget | None = None
    backoff: Backoff | None = None
    significant: bool = False
    stop: Hook | None = None
    pause: Hook | None = None
    resume: Hook | None = None

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name:
            raise ConfigurationError(f"a child's name is {self.name!r}", hint="a text without '/'")
        if not callable(self.entry):
            raise self._wrong("run cannot be called", "async def run(*, task_status)")
        if self.start_timeout is not None and not self.start_timeout > 0:
            raise self._wrong(f"start_timeout is {self.start_timeout}", "more than 0 seconds, or None")
        if self.shutdown is not None and not self.shutdown >= 0:
            raise self._wrong(f"shutdown is {self.shutdown}", "0 seconds or more, or None")
        if not self.unwind > 0:
            raise self._wrong(f"unwind is {self.unwind}", "more than 0 seconds")
        if (self.pause is None) != (self.resume is None):
            raise self._wrong("pause and resume come only together", "give both or neither")
        object.__setattr__(self, "restart", chosen(Restart, self.restart))

    @property
    def entry(self) -> Run:
        """What is called to run it."""
        target: Any = self.run
        entry: Run = getattr(target, "run", target)
        return entry

    @property
    def nested(self) -> Nested | None:
        """The supervisor that it is, if it is one."""
        return nested_in(self.run)

    def _wrong(self, problem: str, hint: str) -> ConfigurationError:
        return ConfigurationError(problem, where=f"child {self.name}", hint=hint)


class Way(StrEnum):
    """How a child is told to end."""

    ASK = "ask"
    CANCEL = "cancel"


def ways_to_stop(child: Child, *, now: bool = False) -> tuple[tuple[Way, float | None], ...]:
    """Return how to stop a child: each way with the seconds it is given to work, None for no limit.

    A child with a `stop` hook is asked first and cancelled when its time is over; for one without,
    the cancellation is the request, and its time is for the cleaning up.

    :param now: the time for asking is over before it began
    """
    if child.nested is not None:
        return ((Way.CANCEL, None),)
    unwind = (Way.CANCEL, child.unwind)
    if now or child.shutdown == 0:
        return (unwind,)
    if child.stop is None:
        return ((Way.CANCEL, child.shutdown),)
    return ((Way.ASK, child.shutdown), unwind)


async def call(hook: Hook | None) -> None:
    """Call a hook, plain or async; None is no hook."""
    if hook is not None and (answer := hook()) is not None:
        await answer
