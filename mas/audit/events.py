"""What touches security and is no message: told once, numbered and sealed like a decision.

Whoever sees such a thing posts it and goes on. An event is kept until Redis has it; one whose fate a
broken connection hides is written again under a new run, so an event may stand twice, and is not lost
while its process lives.
"""

from collections import deque
from enum import StrEnum
from typing import Final

import anyio
import msgspec
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.audit.record import Counter
from mas.audit.trails import trail_key
from mas.clock import SYSTEM, Clock
from mas.errors import RedisUnavailable
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis
from mas.trust import Keyring

log = logger(__name__)

_KEPT: Final = 1000  # events that may wait for Redis; then the oldest goes to the log alone
_LONGEST: Final = 500  # characters of a detail
_QUIET: Final = 60.0  # seconds in which the same alarm is told once
_PAUSE: Final = 0.5  # seconds between attempts
_LAST: Final = 1.0  # seconds that the last events may take at the end


class EventKind(StrEnum):
    """What happened."""

    POLICY_CHANGED = "POLICY_CHANGED"
    GRANTED = "GRANTED"
    ENROLLED = "ENROLLED"
    ROTATED = "ROTATED"
    LEFT = "LEFT"
    REVOKED = "REVOKED"
    LIFTED = "LIFTED"
    """A revocation was taken back."""
    FORGOTTEN = "FORGOTTEN"
    """A registration was ended."""
    CONTROL = "CONTROL"
    """A command to the running system: restart, stop, redrive, purge, ..."""
    ALARM = "ALARM"
    """A stored record is not what it must be, or a bound was reached."""
    ARCHIVED = "ARCHIVED"
    """Dead letters went into a file, or archives were deleted."""
    AUDIT_READ = "AUDIT_READ"
    AUDIT_KEY = "AUDIT_KEY"


class SecurityEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event, as its trail keeps it."""

    gateway: str
    """Who writes: a gateway, or another process by its role and host."""
    run: str
    commit: int
    count: int
    event: EventKind
    subject: str = ""
    """Whom or what it is about: an agent, a key, a filter."""
    actor: str = ""
    """Who caused it, as far as that is known."""
    detail: str = ""
    voids: str = ""


class _Told(msgspec.Struct, frozen=True):
    event: EventKind
    subject: str
    actor: str
    detail: str


class Events:
    """One process's pen in the trail of security events.

    :param writer: who writes, by role and host
    :param brief: whether the process is one of many that come and go, as those of commands do
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        keyring: Keyring,
        writer: str,
        *,
        brief: bool = False,
        clock: Clock = SYSTEM,
    ) -> None:
        self._redis, self._stream, self._clock = redis, keys.audit_security, clock
        self._counter = Counter(writer, trail_key(keyring, keys.audit_security), brief=brief)
        self._due: deque[_Told] = deque()
        self._wake, self._one_at_a_time = anyio.Event(), anyio.Lock()
        self._alarms: dict[tuple[str, str], float] = {}

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Write what is posted until cancelled; then write the rest, if that takes no more than a second."""
        task_status.started()
        try:
            while True:
                await self._wake.wait()
                self._wake = anyio.Event()
                await self._flush_patiently()
        finally:
            with anyio.move_on_after(_LAST, shield=True):
                await self._flush_patiently()

    def post(self, event: EventKind, subject: str = "", *, actor: str = "", detail: str = "") -> None:
        """Have an event written by `run`, or by the next `write`."""
        if len(self._due) >= _KEPT:
            lost = self._due.popleft()
            log.error("a security event could not be written", lost=msgspec.to_builtins(lost))
        self._due.append(_Told(event, subject[:_LONGEST], actor[:_LONGEST], detail[:_LONGEST]))
        self._wake.set()

    def alarm(self, subject: str, problem: str) -> None:
        """Post an alarm and log it; the same one again within a minute is passed over."""
        now, key = self._clock.monotonic(), (subject, problem)
        if now - self._alarms.get(key, -_QUIET) < _QUIET:
            return
        if len(self._alarms) >= _KEPT:
            self._alarms.clear()
        self._alarms[key] = now
        log.critical("security alarm", subject=subject, problem=problem)
        self.post(EventKind.ALARM, subject, detail=problem)

    async def write(self, event: EventKind, subject: str = "", *, actor: str = "", detail: str = "") -> None:
        """Write an event and return once Redis has it and all that were posted before.

        :raises RedisUnavailable: if Redis does not answer; the event stays due
        :raises redis.exceptions.ResponseError: if Redis refuses it; the event stays due
        """
        self.post(event, subject, actor=actor, detail=detail)
        await self.flush()

    async def flush(self) -> None:
        """Return once Redis has every event posted so far; the errors are those of `write`."""
        async with self._one_at_a_time:
            while self._due:
                told = self._due[0]
                await self._put(told)
                if self._due and self._due[0] is told:
                    # Unless too many came meanwhile, and it was given up: the next one is not written yet.
                    self._due.popleft()

    async def _flush_patiently(self) -> None:
        while self._due:
            try:
                await self.flush()
            except (RedisUnavailable, ResponseError) as error:
                log.warning("a security event has to wait", problem=str(error))
                await self._clock.sleep(_PAUSE)

    async def _put(self, told: _Told) -> None:
        counter = self._counter
        # A run's name says when it began, and is compared with its entries' ids: so by the clock of both.
        seconds, _ = await self._redis.call("TIME")
        counter.begin_commit(int(seconds))
        record = SecurityEvent(
            counter.gateway,
            counter.run,
            counter.commit,
            counter.take(),
            told.event,
            told.subject,
            told.actor,
            told.detail,
            counter.voids,
        )
        try:
            await self._redis.call("XADD", self._stream, "*", *counter.fields(record))
        except ResponseError:
            counter.give_back([record.count])
            raise
        except BaseException:
            # It may stand: the number must not be used again.
            counter.begin_run()
            raise
