"""One run of a child, from its start until its task is gone."""

from collections.abc import Callable
from typing import Any

import anyio
from anyio.abc import TaskGroup

from mas.clock import Clock
from mas.supervision.child import Child, Way, call, ways_to_stop
from mas.supervision.strategy import Ending


class Life:
    """A child's task: whether it is ready, how it ended, and how it is brought to an end.

    It is the `task_status` its child is given.

    :param tasks: where its tasks live; must outlast them
    :param on_ready: called when the child says that it is ready
    :param on_end: called when its task is gone
    :param on_overrun: called with the seconds it had, if it outstays its cancellation
    """

    def __init__(
        self,
        child: Child,
        clock: Clock,
        tasks: TaskGroup,
        *,
        on_ready: Callable[[], None],
        on_end: Callable[["Life"], None],
        on_overrun: Callable[[float], None],
    ) -> None:
        self._child, self._clock, self._tasks = child, clock, tasks
        self._on_ready, self._on_end, self._on_overrun = on_ready, on_end, on_overrun
        self._scope, self._asking = anyio.CancelScope(), anyio.CancelScope()
        self._patience: anyio.CancelScope | None = None
        self._hurried = False
        self._busy = 0
        self._gone = anyio.Event()
        self.ready = False
        self.stopping = False
        self.overran = False
        self.ending = Ending.CANCELLED
        self.error: BaseException | None = None
        self.settled = anyio.Event()
        """Set once it is ready, or over."""
        self.over = anyio.Event()
        """Set once its task is gone, or known not to go."""

    @property
    def gone(self) -> bool:
        """Whether its task has ended."""
        return self._gone.is_set()

    def begin(self, name: str) -> None:
        """Start the child's task under that name."""
        self._busy += 1
        self._tasks.start_soon(self._live, name=name)

    def started(self, value: Any = None) -> None:
        """Note that the child is ready; too late once it was told to stop.

        :raises RuntimeError: if it said so before
        """
        del value
        if self.ready:
            msg = "called 'started' twice on the same task status"
            raise RuntimeError(msg)
        if not self.stopping:
            self.ready = True
            self.settled.set()
            self._on_ready()

    def stop(self, *, now: bool = False) -> None:
        """See to it that the child ends; wait for `over` to know that it did.

        :param now: do not ask, and stop waiting for an answer
        """
        self._hurried = self._hurried or now
        if not self.stopping:
            self.stopping = True
            self._tasks.start_soon(self._wind_down, name=f"stop {self._child.name}")
        elif now and self._patience is not None:
            self._patience.cancel()

    def give_up_waiting(self) -> None:
        """Take it for over although its task is not: something below it will not end."""
        self.overran = True
        self.settled.set()
        self.over.set()

    async def _live(self) -> None:
        try:
            with self._scope:
                await self._child.entry(task_status=self)
                self.ending = Ending.RETURNED
        except Exception as error:
            self.ending, self.error = Ending.RAISED, alone(error)
        except BaseException as error:
            if not self._cancelled_by_a_stranger(error):
                self.stopping = True
                self._end()
                raise
        self._end()

    def _cancelled_by_a_stranger(self, error: BaseException) -> bool:
        # On asyncio anybody can cancel a task; let through, that would take the siblings along.
        cancelled = isinstance(error, anyio.get_cancelled_exc_class())
        return cancelled and not self._tasks.cancel_scope.cancel_called

    def _end(self) -> None:
        self._asking.cancel()
        self._leave()

    async def _wind_down(self) -> None:
        cancelled = 0.0
        for way, seconds in ways_to_stop(self._child, now=self._hurried):
            with self._clock.move_on_after(seconds) as patience:
                if way is Way.ASK:
                    self._patience = patience
                    self._busy += 1
                    self._tasks.start_soon(self._ask, name=f"ask {self._child.name} to stop")
                else:
                    self._patience, cancelled = None, self._clock.monotonic()
                    self._asking.cancel()
                    self._scope.cancel()
                await self._gone.wait()
                return
        self.give_up_waiting()
        self._on_overrun(self._clock.monotonic() - cancelled)

    async def _ask(self) -> None:
        try:
            with self._asking:
                await call(self._child.stop)
        except Exception as error:
            self.error = error
            self.stop(now=True)
        self._leave()

    def _leave(self) -> None:
        self._busy -= 1
        if not self._busy:
            self._gone.set()
            self._on_end(self)
            self.settled.set()
            self.over.set()


def alone(error: BaseException) -> BaseException:
    """Return what was raised, without the task groups around it in which nothing else failed."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
