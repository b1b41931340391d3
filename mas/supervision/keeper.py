"""One run of a supervisor: open in declared order, keep going, close in reverse."""

from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
from anyio.abc import TaskStatus

from mas.errors import SupervisionError
from mas.supervision.crew import Crew
from mas.supervision.life import alone
from mas.supervision.nested import Line
from mas.supervision.plan import Plan
from mas.supervision.strategy import Strategy
from mas.supervision.tree import State


class Keeper:
    """What a supervisor does between one start and its end.

    The children's tasks live in one task group; the work of starting and mending them in another
    inside it, whose scope is cancelled when all shall stop. Both are shielded from whoever cancels
    the supervisor, so that its children end one after the other and not all at once.
    """

    def __init__(self, plan: Plan, line: Line) -> None:
        self.crew = Crew(plan, line, self.close)
        self.state = State.STARTING
        self.since = 0.0
        self._pool = plan.strategy is Strategy.POOL
        self._work = anyio.CancelScope()
        self._opened, self._closed = anyio.Event(), anyio.Event()

    async def run(self, task_status: TaskStatus[None]) -> None:
        """Supervise until cancelled, closed, or at the end of what can be mended."""
        fault: BaseException | None = None
        try:
            async with anyio.create_task_group() as outer:
                outer.start_soon(self._keep, name=self.crew.label)
                try:
                    await self._opened.wait()
                    if self.state is State.RUNNING:
                        task_status.started()
                    await self._closed.wait()
                finally:
                    self.close()
        except BaseExceptionGroup as group:
            fault = alone(group)
        finally:
            self.state = State.STOPPED if self.crew.failure is None else State.FAILED
        if fault is not None:
            raise fault
        if self.crew.failure is not None:
            raise self.crew.failure

    def close(self) -> None:
        """Stop mending, and begin to stop all children."""
        self.crew.closing = True
        self._work.cancel()

    def hurry(self) -> None:
        """Stop asking children to end: cancel those that were asked, and all who follow."""
        self.crew.hurried = True
        for slot in self.crew.slots.values():
            if slot.nested is not None:
                slot.nested.hurry()
            elif slot.life is not None and slot.life.stopping:
                slot.life.stop(now=True)

    async def order(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have something done by the supervisor's own tasks, whatever becomes of the caller.

        :raises SupervisionError: if it was refused, failed, or the supervisor is not running
        """
        if self.state not in _ACCEPTING or self.crew.closing:
            raise SupervisionError(self.crew.label, "is not running")
        done = _Order(self.crew.label)
        self.crew.jobs.start_soon(done.carry_out, work, name=f"order to {self.crew.label}")
        await done.finished.wait()
        if done.error is not None:
            raise done.error

    async def _keep(self) -> None:
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as self.crew.tasks:
                with self._work:
                    async with anyio.create_task_group() as self.crew.jobs:
                        await self._open()
                        self.state, self.since = State.RUNNING, self.crew.clock.monotonic()
                        self._opened.set()
                        await anyio.sleep_forever()
                self.state = State.STOPPING
                await self._stop_all()
        self._opened.set()
        self._closed.set()

    async def _open(self) -> None:
        for group in dict.fromkeys(slot.group for slot in self.crew.slots.values()):
            async with group.lock:
                group.deferred = []
                for slot in group.members[:]:
                    error = await self.crew.launch(slot) if slot.untouched else None
                    if error is not None:
                        self.crew.escalate(error)
                    await anyio.lowlevel.checkpoint_if_cancelled()
                died, group.deferred = group.deferred, None
                for slot in died:
                    if slot.state in _DOWN:
                        self.crew.charge(slot, slot.error)

    async def _stop_all(self) -> None:
        slots = list(self.crew.slots.values())[::-1]
        for slot in slots:
            if slot.state.awaits_start:
                slot.state = State.FAILED if slot.state is State.BACKOFF else State.STOPPED
        for slot in slots if self._pool else ():
            if slot.life is not None:
                slot.life.stop(now=self.crew.hurried)
        for slot in slots:
            await self.crew.halt(slot)
        if self.crew.overrun is not None:
            # Also if it has ended by now: a cancelled supervisor does not raise what failed in it.
            self.crew.line.on_stuck(self.crew.overrun)


class _Order:
    """Something asked of a supervisor, and what came of it."""

    def __init__(self, supervisor: str) -> None:
        self.error: SupervisionError | None = SupervisionError(supervisor, "stopped before it was done")
        self.finished = anyio.Event()

    async def carry_out(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
            self.error = None
        except SupervisionError as error:
            self.error = error
        finally:
            self.finished.set()


_ACCEPTING = frozenset({State.STARTING, State.RUNNING})
_DOWN = frozenset({State.FAILED, State.FINISHED})
