"""Supervisor: a child's keeper, and itself a child; what it can be asked at run time."""

import difflib
import random
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from mas.clock import SYSTEM, Clock
from mas.errors import SupervisionError, UnknownChild
from mas.supervision import orders
from mas.supervision.backoff import Backoff
from mas.supervision.budget import Budget
from mas.supervision.child import Child
from mas.supervision.crew import Crew
from mas.supervision.events import Event, deliver
from mas.supervision.keeper import Keeper
from mas.supervision.nested import Line, Nested
from mas.supervision.plan import Plan
from mas.supervision.slot import Slot
from mas.supervision.strategy import Strategy, chosen
from mas.supervision.tree import Kind, Snapshot, State, brief


class Supervisor(Nested):
    """Runs children, restarts those that fail, and fails itself when that does not help.

    A path names a child from below the supervisor that is asked: `"agents/echo"` is the child `echo`
    of its child `agents`.

    :param name: what it is called in errors and events
    :param children: in the order in which they start; they stop in the reverse order
    :param strategy: who is restarted with a child that failed
    :param budget: how many restarts, of whichever child, it tries before it fails itself
    :param backoff: how long it waits before each
    :param clock: where its time comes from; default: its parent's, or the system's
    :param on_event: hears of whatever happens here and below, at once, in the task where it happened;
        what it raises is logged and changes nothing
    :param jitter: draws the numbers from 0 to 1 that spread the delays
    :raises ConfigurationError: if two children share a name
    """

    def __init__(
        self,
        name: str,
        children: Iterable[Child] = (),
        *,
        strategy: Strategy | str = Strategy.ONE_FOR_ONE,
        budget: Budget = Budget(),  # noqa: B008 - frozen
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        clock: Clock | None = None,
        on_event: Callable[[Event], None] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._plan = Plan(name, tuple(children), chosen(Strategy, strategy), budget, backoff, jitter)
        self._clock, self._on_event = clock, on_event
        self._above: Line | None = None
        self._keeper: Keeper | None = None

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Start the children in order, keep them running, and stop them in reverse when cancelled.

        Says that it is ready once every child is. Each run begins with the children declared, and
        with nothing counted. Ends only when all its children have.

        :raises StartFailed: if one did not start at first; those started before are stopped
        :raises RestartsExhausted: if restarting did not help within the budget
        :raises StopOverrun: if a child ignored its cancellation, once that child has ended after all
        """
        if self._busy:
            raise SupervisionError(self.name, "is running already")
        above = self._above
        clock = self._clock or (SYSTEM if above is None else above.clock)
        line = Line(
            path="" if above is None else above.path,
            clock=clock,
            tell=self._hear,
            on_stuck=_ignore if above is None else above.on_stuck,
        )
        self._keeper = Keeper(self._plan, line)
        await self._keeper.run(task_status)

    def shutdown(self, *, now: bool = False) -> None:
        """Begin to stop all children; `run` returns when they have ended.

        :param now: do not ask any of them to finish: cancel them, still one after the other. May
            follow a call without, to cut short what is left
        """
        if self._keeper is not None:
            self._keeper.close()
            if now:
                self._keeper.hurry()

    def tree(self, path: str = "") -> Snapshot:
        """Return what it and all below it look like now.

        :param path: what to put before the children's paths
        """
        keeper = self._keeper
        if keeper is None:
            return Snapshot(
                self.name, path, Kind.SUPERVISOR, State.STOPPED, 0.0, 0, "", (), self._plan.strategy
            )
        crew, now = keeper.crew, keeper.crew.clock.monotonic()
        prefix = f"{path}/" if path else ""
        return Snapshot(
            name=self.name,
            path=path,
            kind=Kind.SUPERVISOR,
            state=keeper.state,
            uptime=now - keeper.since if keeper.state is State.RUNNING else 0.0,
            restarts=0,
            last_error=brief(crew.failure),
            children=tuple(slot.snapshot(prefix + name, now) for name, slot in crew.slots.items()),
            strategy=self._plan.strategy,
        )

    async def start(self, path: str) -> None:
        """Start a child that is down, with a fresh budget; one in back-off starts at once.

        :raises StartFailed: if it did not become ready
        :raises SupervisionError: if it was stopped meanwhile, or its supervisor is not running
        """
        await self._ask(path, orders.start)

    async def restart(self, path: str, *, by_strategy: bool = False) -> None:
        """Stop a child, if it runs, and start it.

        :param by_strategy: do so with the siblings too that its supervisor's strategy would restart with it
            if it failed: stopped in the reverse order, started in order. Without, they are left alone
        :raises StartFailed: if it did not become ready; its supervisor goes on trying
        :raises SupervisionError: if it was stopped meanwhile, or its supervisor is not running
        """
        await self._ask(path, orders.restart_by_strategy if by_strategy else orders.restart)

    async def stop(self, path: str) -> None:
        """Stop a child; it stays down until it is started, whatever its siblings do."""
        await self._ask(path, orders.stop)

    async def pause(self, path: str) -> None:
        """Have a child cease work without ending; a restart does not end the pause.

        :raises SupervisionError: if it has no pause hook, the hook raised, or it is not running
        """
        await self._ask(path, orders.pause)

    async def resume(self, path: str) -> None:
        """Have a paused child work again.

        :raises SupervisionError: if it is not paused, or the hook raised
        """
        await self._ask(path, orders.resume)

    async def add_child(self, child: Child, *, under: str = "") -> None:
        """Start one more child, after all others.

        :param under: path of the supervisor that gets it; "" is this one
        :raises StartFailed: if it did not become ready; it is then forgotten
        :raises SupervisionError: if its name is taken
        """
        keeper = _kept(self._below(under) if under else self)
        await keeper.order(partial(orders.add, keeper.crew, child))

    async def remove_child(self, path: str) -> None:
        """Stop a child, if it runs, and forget it."""
        await self._ask(path, orders.remove)

    # ---- as another's child

    def adopt(self, line: Line) -> None:
        """Take its place in a tree; its parent calls this. One that runs stays where it is."""
        if not self._busy:
            self._above = line

    def hurry(self) -> None:
        """Stop asking children that are being stopped, now and from now on."""
        if self._keeper is not None:
            self._keeper.hurry()

    @property
    def _busy(self) -> bool:
        return self._keeper is not None and self._keeper.state.active

    # ---- finding its way

    async def _ask(self, path: str, order: Callable[[Crew, Slot], Awaitable[None]]) -> None:
        keeper, slot = self._find(path)
        await keeper.order(partial(order, keeper.crew, slot))

    def _find(self, path: str) -> tuple[Keeper, Slot]:
        parent, _, name = path.rpartition("/")
        keeper = _kept(self._below(parent) if parent else self)
        slot = keeper.crew.slots.get(name)
        if slot is None:
            raise UnknownChild(
                path, keeper.crew.label, *difflib.get_close_matches(name, keeper.crew.slots, n=1)
            )
        return keeper, slot

    def _below(self, path: str) -> "Supervisor":
        _, slot = self._find(path)
        if not isinstance(slot.nested, Supervisor):
            raise SupervisionError(slot.path, "is not a supervisor")
        return slot.nested

    def _hear(self, event: Event) -> None:
        if self._on_event is not None:
            deliver(event, self._on_event)
        if self._above is not None:
            self._above.tell(event)


def _ignore(_: object) -> None:
    """Nobody is above."""


def _kept(supervisor: Supervisor) -> Keeper:
    keeper = supervisor._keeper  # noqa: SLF001 - a supervisor asks one below it
    if keeper is None:
        raise SupervisionError(supervisor.name, "is not running")
    return keeper
