"""What touches security and is no message: told once, written to a trail of its own.

Whoever sees such a thing posts it and goes on; it is kept until Redis has it.
"""

from collections import deque
from enum import StrEnum
from typing import Final

import anyio
import msgspec
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.clock import SYSTEM, Clock
from mas.errors import RedisUnavailable
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis
from mas.trust import Keyring
from mas.trust.mac import mac

log = logger(__name__)

_KEPT: Final = 1000  # events that may wait for Redis; then the oldest goes to the log alone
_LONGEST: Final = 500  # characters of a detail
_QUIET: Final = 60.0  # seconds in which the same alarm is told once
_PAUSE: Final = 0.5  # seconds between attempts
_LAST: Final = 1.0  # seconds that the last events may take at the end


class EventKind(StrEnum):
    """What happened."""

    CONTROL = "CONTROL"
    """A command to the running system: restart, stop, ..."""
    ALARM = "ALARM"
    """A stored record or a command is not what it must be."""


class SecurityEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event, as its trail keeps it."""

    gateway: str
    """Who writes: by role and host."""
    event: EventKind
    subject: str = ""
    """Whom or what it is about."""
    actor: str = ""
    """Who caused it, as far as that is known."""
    detail: str = ""


class Events:
    """One process's pen in the trail of security events.

    :param writer: who writes, by role and host
    """

    def __init__(
        self, redis: Redis, keys: Keys, keyring: Keyring, writer: str, *, clock: Clock = SYSTEM
    ) -> None:
        self._redis, self._stream, self._clock = redis, keys.audit_security, clock
        self._writer, self._key = writer, bytes.fromhex(mac(keyring.audit, keys.audit_security.encode()))
        self._due: deque[SecurityEvent] = deque()
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
        """Have an event written by `run`."""
        if len(self._due) >= _KEPT:
            lost = self._due.popleft()
            log.error("a security event could not be written", lost=msgspec.to_builtins(lost))
        self._due.append(
            SecurityEvent(self._writer, event, subject[:_LONGEST], actor[:_LONGEST], detail[:_LONGEST])
        )
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

    async def flush(self) -> None:
        """Return once Redis has every event posted so far.

        :raises RedisUnavailable: if Redis does not answer; the event stays due
        """
        async with self._one_at_a_time:
            while self._due:
                body = msgspec.json.encode(self._due[0])
                await self._redis.call("XADD", self._stream, "*", "record", body, "mac", mac(self._key, body))
                self._due.popleft()

    async def _flush_patiently(self) -> None:
        while self._due:
            try:
                await self.flush()
            except (RedisUnavailable, ResponseError) as error:
                log.warning("a security event has to wait", problem=str(error))
                await self._clock.sleep(_PAUSE)
