"""A supervisor's children: start one, stop one, note what becomes of it and what follows from that."""

from collections.abc import Callable
from functools import partial

import anyio.lowlevel
from anyio.abc import TaskGroup

from mas.errors import RestartsExhausted, StartFailed, StopOverrun, SupervisionError
from mas.supervision import events
from mas.supervision.backoff import Backoff
from mas.supervision.budget import Window
from mas.supervision.child import Child, Declined
from mas.supervision.group import Group
from mas.supervision.launch import until_ready
from mas.supervision.life import Life
from mas.supervision.nested import Line
from mas.supervision.plan import Plan
from mas.supervision.slot import Slot
from mas.supervision.strategy import Strategy, calls_for_restart
from mas.supervision.tree import State


class Crew:
    """The children of one run of a supervisor.

    :param plan: what the supervisor was told
    :param line: what connects it with the supervisor above
    :param on_failure: called when a failure cannot be mended here
    """

    def __init__(self, plan: Plan, line: Line, on_failure: Callable[[], None]) -> None:
        self.plan, self.line, self.clock = plan, line, line.clock
        self.label = line.path or plan.name
        self.slots: dict[str, Slot] = {}
        self.failure: SupervisionError | None = None
        self.overrun: StopOverrun | None = None
        self.closing = False
        self.hurried = False
        self.tasks: TaskGroup
        """Where the children live."""
        self.jobs: TaskGroup
        """Where they are mended; ends before the children do."""
        self._on_failure = on_failure
        self._window = Window(plan.budget)
        self._together = None if plan.strategy in _ALONE else Group(plan.strategy, self.clock, self)
        for child in plan.children:
            self.place(child)

    def place(self, child: Child) -> Slot:
        """Give a child its place, after all others; it is not started yet."""
        group = self._together or Group(self.plan.strategy, self.clock, self)
        slot = Slot(
            child=child,
            path=f"{self.line.path}/{child.name}" if self.line.path else child.name,
            nested=child.nested,
            group=group,
            window=None if child.budget is None else Window(child.budget),
        )
        group.members.append(slot)
        self.slots[child.name] = slot
        return slot

    def forget(self, slot: Slot) -> None:
        """Take a child's place away; it must not run."""
        slot.forgotten = True
        if self.slots.get(slot.child.name) is slot:
            del self.slots[slot.child.name]
            slot.group.members.remove(slot)

    async def launch(self, slot: Slot) -> StartFailed | None:
        """Start a child and wait until it is ready, has declined, or was stopped meanwhile.

        Return why it is none of these, once its task is gone or known not to go.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()
        began = self.clock.monotonic()
        slot.state = State.STARTING
        life = slot.life = Life(
            slot.child,
            self.clock,
            self.tasks,
            on_ready=partial(self._ready, slot, began),
            on_end=partial(self._ended, slot),
            on_overrun=partial(self._overran, slot),
        )
        if slot.nested is not None:
            on_stuck = partial(self._stuck_below, slot, life)
            slot.nested.adopt(Line(slot.path, self.clock, self.line.tell, on_stuck))
        life.begin(slot.path)
        problem = await until_ready(slot, life, self.clock)
        if problem is None or (life.gone and not slot.wanted):
            slot.conclude()
            return None
        error = StartFailed(slot.path, problem)
        error.__cause__ = life.error
        slot.error = error
        slot.state = State.FAILED if life.gone else State.OVERRUN
        self.tell(events.Failed, slot, error)
        slot.conclude(error)
        return error

    async def halt(self, slot: Slot) -> None:
        """Stop a child, if it runs, and wait until it has ended or outstayed its time."""
        if slot.life is not None:
            if slot.state is not State.OVERRUN:
                slot.state = State.STOPPING
            slot.life.stop(now=self.hurried)
            await slot.life.over.wait()

    def renew(self, slot: Slot) -> None:
        """Forget a child's failures: somebody wants it to run."""
        slot.wanted, slot.failures = True, 0
        slot.window = None if slot.child.budget is None else Window(slot.child.budget)

    # ---- what becomes of a child

    def _ready(self, slot: Slot, began: float) -> None:
        slot.state, slot.since = State.RUNNING, self.clock.monotonic()
        self.tell(events.Started, slot, slot.since - began)

    def _ended(self, slot: Slot, life: Life) -> None:
        slot.life = None
        if life.stopping or life.overran:
            slot.state = State.FAILED if life.overran else State.STOPPED
            slot.error = life.error or slot.error
            self.tell(events.Stopped, slot, life.error)
        elif life.ready:
            self._died(slot, life)
        elif isinstance(life.error, Declined):
            self.tell(events.Declined, slot)
            self._retire(slot, State.STOPPED)
        else:
            slot.state, slot.error = State.FAILED, life.error

    def _died(self, slot: Slot, life: Life) -> None:
        if self.clock.monotonic() - slot.since >= self._backoff(slot).healthy_after:
            slot.failures = 0
        if life.error is None:
            slot.state = State.FINISHED
            self.tell(events.Finished, slot)
        else:
            slot.state, slot.error = State.FAILED, life.error
            self.tell(events.Failed, slot, life.error)
        if self.closing:
            return
        if slot.group.concerns(slot):
            if slot.wanted:
                slot.state = State.RESTARTING
        elif not calls_for_restart(slot.child.restart, life.ending):
            self._retire(slot, slot.state)
        elif slot.group.deferred is not None:
            slot.group.deferred.append(slot)
        else:
            self.charge(slot, life.error)

    def _retire(self, slot: Slot, state: State) -> None:
        slot.state = state
        if self.plan.strategy is Strategy.POOL:
            self.forget(slot)

    def _overran(self, slot: Slot, seconds: float) -> None:
        error = StopOverrun(slot.path, seconds)
        slot.state, slot.error = State.OVERRUN, error
        self.tell(events.Overrun, slot, error)
        self._stuck(error)

    def _stuck_below(self, slot: Slot, life: Life, error: StopOverrun) -> None:
        slot.state, slot.error = State.OVERRUN, error
        life.give_up_waiting()
        self._stuck(error)

    def _stuck(self, error: StopOverrun) -> None:
        self.overrun = self.overrun or error
        self.escalate(error)

    # ---- what a failure leads to

    def charge(self, slot: Slot, error: BaseException | None) -> None:
        """Have a child that failed restarted; give it up, or fail with it, if its budget is spent.

        One that nothing ever restarts is left as it is.
        """
        if self.closing:
            return
        if slot.temporary:
            self._retire(slot, slot.state)
            return
        window = slot.window or self._window
        if window.spend(self.clock.monotonic()):
            delay = self._backoff(slot).delay(slot.failures, self.plan.jitter())
            slot.failures += 1
            slot.group.condemn(slot, delay)
            self.tell(events.Restarting, slot, delay)
            self.mend(slot)
            return
        slot.state = State.FAILED
        exhausted = RestartsExhausted(slot.path, window.budget.max_restarts, window.budget.within)
        exhausted.__cause__ = error
        if slot.window is None or slot.child.significant:
            self.escalate(exhausted)
        else:
            slot.wanted = False
            self.tell(events.GaveUp, slot, exhausted)

    def mend(self, slot: Slot) -> None:
        """See to it that those of a child's group who wait to be started are."""
        if not slot.group.mending:
            slot.group.mending = True
            self.jobs.start_soon(slot.group.mend, name=f"mend {slot.path}")

    def escalate(self, error: SupervisionError) -> None:
        """Stop all children and fail with an error that cannot be mended here."""
        if self.failure is None:
            self.failure = error
            self._announce(events.Escalated(self.line.path, self.clock.wall(), error))
        self._on_failure()

    def tell(self, kind: Callable[..., events.Event], slot: Slot, *details: object) -> None:
        """Report an event of a child."""
        self._announce(kind(slot.path, self.clock.wall(), *details))

    def _announce(self, event: events.Event) -> None:
        events.log(event, self.label)
        self.line.tell(event)

    def _backoff(self, slot: Slot) -> Backoff:
        return slot.child.backoff or self.plan.backoff


_ALONE = frozenset({Strategy.ONE_FOR_ONE, Strategy.POOL})
