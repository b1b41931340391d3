"""The tasks that take what is queued, in order, at most so many at a time."""

from collections import deque
from collections.abc import Callable, Iterable

import anyio
from anyio.abc import TaskGroup

from mas.agent.attempts import Attempts
from mas.agent.delivery import Delivery

_RESTING = 2
"""Workers that wait for mail however long there is none."""


class _Rest:
    """One worker's rest."""

    __slots__ = ("bell", "over")

    def __init__(self) -> None:
        self.bell = anyio.Event()
        self.over = False
        """Whether it ends with the worker."""


Waiting = tuple[Delivery, bool]
"""A delivery that no handler has begun in this life, and whether one was started on it before."""


class Workers:
    """See the module.

    :param concurrency: handlers that run at a time; at 1 messages are handled in order
    :param worked_off: is called whenever a worker finds nothing more to begin
    :ivar working: handlers that run
    :ivar paused: whether none may begin
    """

    def __init__(self, attempts: Attempts, worked_off: Callable[[], None], *, concurrency: int) -> None:
        self._attempts, self._worked_off, self._concurrency = attempts, worked_off, concurrency
        self._queue: deque[Waiting] = deque()
        self._tasks: TaskGroup
        self._resting: list[_Rest] = []
        self._spare = 0
        """How many have rested ever since the last look."""
        self._idle: anyio.Event | None = None
        self._called = False
        self.working, self.paused = 0, False

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._queue)

    def live_in(self, tasks: TaskGroup) -> None:
        """Have workers be tasks of this group; before anything is queued."""
        self._tasks = tasks

    @property
    def lack(self) -> bool:
        """Whether somebody is free and nothing waits."""
        return not self._queue and self.working < self._concurrency

    def add(self, waiting: Iterable[Waiting]) -> None:
        """Queue what is newer than all that waits."""
        self._queue += waiting
        self.call()

    def insert(self, waiting: Iterable[Waiting]) -> None:
        """Queue what may be older than some that waits: all are begun as they stand in their stream."""
        self._queue = deque(sorted([*self._queue, *waiting], key=_place))
        self.call()

    def take_back(self) -> list[Waiting]:
        """Return what waits, and begin none of it."""
        waiting = list(self._queue)
        self._queue.clear()
        return waiting

    async def quiet(self) -> None:
        """Return once no handler runs; comes true only while paused, or when nothing waits."""
        while self.working:
            if self._idle is None or self._idle.is_set():
                self._idle = anyio.Event()
            await self._idle.wait()

    def call(self) -> None:
        """See that somebody takes what is queued: one who rests, or else a new one within bounds."""
        if self._called or not self._queue or self.working >= self._concurrency:
            return
        self._called = True
        if self._resting:
            self._resting.pop().bell.set()
            self._spare = min(self._spare, len(self._resting))
        else:
            self._tasks.start_soon(self._work)

    async def _work(self) -> None:
        while True:
            self._called = False
            await self._work_off()
            rest = _Rest()
            self._resting.append(rest)
            await rest.bell.wait()
            if rest.over:
                return

    def thin(self) -> None:
        """Let those go whom nobody has called since this was asked last, but for a few.

        To start one costs much more than to wake one, so whoever took part in a wave waits for the next.
        """
        # Whoever rests longest is called last.
        surplus = max(0, self._spare - _RESTING)
        leaving, self._resting = self._resting[:surplus], self._resting[surplus:]
        for rest in leaving:
            rest.over = True
            rest.bell.set()
        self._spare = len(self._resting)

    async def _work_off(self) -> None:
        """Work the queue off; call another worker, for the handler about to start may keep it waiting."""
        while self._queue and not self.paused and self.working < self._concurrency:
            delivery, found_again = self._queue.popleft()
            self.working += 1
            # It finds the queue empty when no handler waits: then it was woken once for the whole batch.
            self.call()
            try:
                if found_again:
                    await self._attempts.again(delivery)
                else:
                    await self._attempts.first(delivery)
            finally:
                self.working -= 1
                if self._idle is not None and not self.working:
                    self._idle.set()
        self._worked_off()


def _place(waiting: Waiting) -> tuple[int, int]:
    """Return where in its stream a delivery stands."""
    milliseconds, _, number = waiting[0].entry.partition(b"-")
    return int(milliseconds), int(number)
