"""Name the code that holds up the event loop: while it does, and with its stack.

A task says a few times a second that the loop turns; a thread looks whether it still does, and where the
loop's own thread stands if not. In between both sleep.
"""

import sys
import threading
import time
from collections import deque
from types import FrameType, TracebackType
from typing import Any

import anyio
from anyio.abc import TaskStatus

from mas.agent.dispatch import dispatch
from mas.log import logger

log = logger(__name__)

_LOOKS = 4
"""Looks within the time allowed: how much later than that a blockage may be noticed, as a fraction."""
_REMEMBERED = 240
"""Turns whose lateness is kept."""
_LOOPS = frozenset({"anyio", "asyncio", "trio"})


class LoopBlocked(Exception):
    """Carries the stack of what holds up the loop into the log; never raised."""


class Watchdog:
    """Watches the event loop that runs it.

    :param limit: seconds for which the loop may stand still
    """

    def __init__(self, limit: float) -> None:
        self._limit, self._pause = limit, limit / _LOOKS
        self._turned = 0.0
        self._lags: deque[float] = deque([0.0], maxlen=_REMEMBERED)
        self._over = threading.Event()

    @property
    def lag(self) -> float:
        """By how much the loop's last turn was late, in seconds."""
        return self._lags[-1]

    @property
    def longest_lag(self) -> float:
        """The most it was late in its last few hundred turns, which is a minute or so; in seconds."""
        return max(self._lags)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Watch until cancelled."""
        self._turned = time.monotonic()
        thread = threading.Thread(
            target=self._watch, args=(threading.get_ident(),), name="mas watchdog", daemon=True
        )
        thread.start()
        try:
            task_status.started()
            while True:
                await anyio.sleep(self._pause)
                before, self._turned = self._turned, time.monotonic()
                self._lags.append(max(0.0, self._turned - before - self._pause))
        finally:
            self._over.set()
            # It only ever sleeps on that event, or writes one line.
            thread.join(1)

    def _watch(self, loop: int) -> None:
        """Look at the loop's thread now and then; runs in a thread of its own."""
        culprit, since = "", 0.0
        looked = time.monotonic()
        while not self._over.wait(self._pause):
            before, looked = looked, time.monotonic()
            turned = self._turned
            if culprit and turned > since:
                log.warning("the event loop turns again", after=culprit, seconds=round(turned - since, 3))
                culprit = ""
            # Looked late itself: then the whole process stood still, and nobody in it is to blame.
            stopped = looked - before > self._limit
            if not culprit and not stopped and looked - turned > self._limit:
                culprit, since = self._tell(loop, looked - turned), turned

    def _tell(self, loop: int, seconds: float) -> str:
        frames = _frames_of(sys._current_frames().get(loop))  # noqa: SLF001 - the documented way to look
        culprit = _culprit(frames)
        stack: TracebackType | None = None
        for frame in frames:
            stack = TracebackType(stack, frame, frame.f_lasti, frame.f_lineno or 0)
        blocked = LoopBlocked(f"{culprit} has held it up for {seconds:.3g} s").with_traceback(stack)
        log.error(
            "the event loop is blocked: nothing else in this process can run",
            by=culprit,
            seconds=round(seconds, 3),
            exc_info=blocked,
        )
        return culprit


def _frames_of(frame: FrameType | None) -> list[FrameType]:
    """Return the frames of the task that runs, innermost first, down to the loop's own."""
    frames = []
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] not in _LOOPS:
        frames.append(frame)
        frame = frame.f_back
    return frames


def _culprit(frames: list[FrameType]) -> str:
    """Say whose code it is: the handler, else the outermost function that is not the runtime's."""
    for frame in frames:
        if frame.f_code is dispatch.__code__:
            given: dict[str, Any] = frame.f_locals
            message = given["message"]
            return f"{given['agent'].id} handling {message.message_type} from {message.sender_id}"
    for frame in reversed(frames):
        module = str(frame.f_globals.get("__name__"))
        if not module.startswith("mas."):
            return f"{module}.{frame.f_code.co_qualname}"
    return frames[0].f_code.co_qualname if frames else "the loop itself"
