"""The owner's side: when there is a process that examines, and what it is asked."""

from typing import Final

import anyio
import msgspec

from mas.audit.apart.words import (
    Answer,
    Ask,
    Examine,
    Failed,
    Looked,
    Pack,
    Packed,
    Ready,
    Spec,
    encode,
    read_report,
)
from mas.audit.look import Seen
from mas.clock import SYSTEM, Clock
from mas.log import logger
from mas.process import Owned, open_owned

log = logger(__name__)

_MANY: Final = 2000.0  # records a second; less of them cost less than a hundredth of a core
_LASTING: Final = 1.0  # seconds that so many must come before there is a process for them
_IDLE: Final = 60.0  # seconds without so many until it may go
_PAUSE: Final = 30.0  # seconds until the next one, after one that failed
# Seconds for an answer, beyond which the process is given up. Nothing is sealed meanwhile, and the lease on
# the chain is not renewed: less than that.
_PATIENCE: Final = 1.0
_PACKING: Final = 2.5
_LONGEST: Final = 1 << 26
"""Bytes of an answer: a seal of the most records it may cover takes a megabyte."""


class NoAnswer(Exception):
    """The process is gone, hangs, or cannot do what is asked."""


class _Awaited:
    """An answer that is waited for; None once it came means that none will."""

    def __init__(self) -> None:
        self.came = anyio.Event()
        self.answer: Answer | None = None


class Clerk:
    """Keeps a process that examines while there is enough to do for one.

    :param spec: what the process is given
    :param many: records a second that are worth a process
    :param lasting: seconds that so many must come before it is started
    :param idle: seconds without so many after which it is ended
    :param pause: seconds between one that failed and the next
    :param patience: seconds for what was seen; an archive has a little more
    :ivar pid: its process id; 0 while there is none
    """

    def __init__(
        self,
        spec: Spec,
        *,
        many: float = _MANY,
        lasting: float = _LASTING,
        idle: float = _IDLE,
        pause: float = _PAUSE,
        patience: float = _PATIENCE,
        clock: Clock = SYSTEM,
    ) -> None:
        self._spec, self._clock = spec, clock
        self._many, self._lasting, self._idle = many, lasting, idle
        self._pause, self._patience = pause, patience
        self._many_since: float | None = None
        self._many_until = 0.0
        self._wanted, self._unwanted = anyio.Event(), anyio.Event()
        self._process: Owned | None = None
        self._awaited = _Awaited()
        self.pid = 0

    @property
    def ready(self) -> bool:
        """Whether it may be asked."""
        return self._process is not None

    def note(self, pace: float) -> None:
        """Take note of how many records a second are sealed: it decides whether there is a process."""
        now = self._clock.monotonic()
        if pace >= self._many:
            self._many_until = now
            if self._many_since is None:
                self._many_since = now
            elif now - self._many_since >= self._lasting:
                self._wanted.set()
        else:
            self._many_since = None
            if now - self._many_until >= self._idle:
                self._unwanted.set()

    async def run(self) -> None:
        """Have a process while it is wanted, until cancelled."""
        backend = anyio.get_cancelled_exc_class().__module__.partition(".")[0]
        first = encode(msgspec.structs.replace(self._spec, backend=backend))
        while True:
            self._many_since, self._wanted = None, anyio.Event()
            await self._wanted.wait()
            self._unwanted = anyio.Event()
            try:
                problem = await self._live(first)
            except OSError as error:
                problem = str(error)
            finally:
                self.pid = 0
            if problem:
                log.warning("records are examined here: the process for it failed", problem=problem)
                await self._clock.sleep(self._pause)

    async def examine(self, ask: Examine) -> Seen:
        """Have it look; one question at a time.

        :raises NoAnswer: if nothing comes of that
        """
        answer = await self._ask(ask, self._patience)
        if not isinstance(answer, Looked):
            raise NoAnswer
        return answer.seen

    async def pack(self, ask: Pack) -> str:
        """Have it write an archive and return the file's SHA-256 as hex; one question at a time.

        :raises NoAnswer: if nothing comes of that
        """
        answer = await self._ask(ask, max(_PACKING, self._patience))
        if not isinstance(answer, Packed):
            raise NoAnswer
        return answer.digest

    async def _ask(self, ask: Ask, seconds: float) -> Answer | None:
        process = self._process
        if process is None:
            return None
        awaited = self._awaited = _Awaited()
        with anyio.move_on_after(seconds) as patience:
            await process.say(encode(ask))
            await awaited.came.wait()
        if patience.cancelled_caught:
            process.kill()
            # What it may have answered all the same is no answer to the next question.
            self._process = None
        return awaited.answer

    async def _live(self, first: bytes) -> str:
        """Start the process and hear it out; return what is wrong if it ends unasked."""
        problem = ""
        async with (
            open_owned("mas.audit.apart", longest=_LONGEST) as process,
            anyio.create_task_group() as tasks,
        ):

            async def dismiss() -> None:
                await self._unwanted.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(dismiss)
            self.pid = process.pid
            try:
                problem = await self._hear_out(process, first)
            finally:
                self._process = None
                self._answered(None)
            tasks.cancel_scope.cancel()
        return "" if self._unwanted.is_set() else problem

    async def _hear_out(self, process: Owned, first: bytes) -> str:
        try:
            await process.say(first)
            while (lines := await process.hear()) is not None:
                for line in lines:
                    self._hear(process, line)
        except (OSError, ValueError) as error:
            process.kill()
            return f"it could not be heard: {error}"
        return f"it ended with status {await process.wait()}"

    def _hear(self, process: Owned, line: bytes) -> None:
        report = read_report(line)
        if isinstance(report, Ready):
            self._process = process
            log.info("records are examined in a process of their own", pid=process.pid)
            return
        if isinstance(report, Failed):
            log.warning("the process for records could not do what it was asked", problem=report.problem)
        self._answered(report)

    def _answered(self, answer: Answer | None) -> None:
        if not self._awaited.came.is_set():
            self._awaited.answer = answer
            self._awaited.came.set()
