"""Read one instance's mail and hand each message to its attempts, as far ahead as they can be started.

Two streams: the one all instances of the agent share, and the instance's own with answers to what it
asked. Reads follow the ring and never block the shared connection. Answers are always read, requests
only as far ahead as they can be started. What is read stays pending in Redis until its handler
returned, so whatever dies, the message does not.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.agent.answers import Answers, notice_in, refusal_of
from mas.agent.attempts import Attempts
from mas.agent.backoff import backoff as pause
from mas.agent.delivery import Delivery, open_delivery
from mas.agent.outbox import Outbox
from mas.agent.received import AgentMessage, SendReply
from mas.agent.services import Services
from mas.agent.settling import Settling
from mas.agent.window import MOST, Window
from mas.agent.workers import Waiting, Workers
from mas.bus import HANDED_BACK, TRIMMED, reclaim
from mas.errors import IntegrityError, MessageRefused, RedisUnavailable
from mas.keys import AGENT_GROUP
from mas.log import logger
from mas.message import GATEWAY
from mas.trust import Credential

log = logger(__name__)

_FEW = 10
"""Taken over at once, at least: a look for fewer would pass over too little of a long list."""
_LAST_WORDS = 1.0
"""Seconds that handing back may take at the end of a life."""
SWEEP = 8.0
"""Seconds after which an inbox looks although nothing rang: a ring may be lost."""


class Inbox:
    """The mail of one instance.

    :param handle: what runs the handler; whatever it raises is the message's failure
    :param concurrency: handlers that run at a time; at 1 messages are handled in order
    """

    def __init__(
        self,
        services: Services,
        credential: Credential,
        outbox: Outbox,
        answers: Answers,
        handle: Callable[[AgentMessage], Awaitable[None]],
        refused: Callable[[MessageRefused], None],
        send_reply: SendReply,
        *,
        concurrency: int,
    ) -> None:
        self._redis, self._clock, self._services = services.redis, services.clock, services
        self._credential, self._answers, self._refused = credential, answers, refused
        self._send_reply = send_reply
        self._me = str(credential.instance_id)
        agent = credential.agent_id
        self._shared = services.keys.stream(agent)
        self._own = services.keys.instance_stream(agent, credential.instance_id)
        self._enrolment = services.keys.token_hash(agent, credential.instance_id)
        self._ring = services.keys.ring(agent)
        self._window = Window(concurrency)
        self._claims = services.claims(self._redis, AGENT_GROUP, self._me)
        self._settling = Settling(self._claims, self._shared, services.delivery.lease, services.clock)
        self._attempts = Attempts(services, self._settling, outbox, handle, send_reply)
        self._workers = Workers(self._attempts, self._worked_off, concurrency=concurrency)
        self._wake = anyio.Event()
        self._rung, self._more = True, False
        self._trouble = ""
        self._backlog_after: bytes | None = b"-"
        self._generation = 0
        # What others left comes before anything new.
        self._reclaim_due, self._care_due = True, False
        self._reading = anyio.Lock(fast_acquire=True)
        self._next_sweep = self._next_reclaim = 0.0

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Read until cancelled; ready once its groups exist and the first look has been made."""
        self._generation = self._redis.generation
        while not await self._ensure_groups():
            await self._clock.sleep(pause(1, first=0.5, cap=0.5))
        async with anyio.create_task_group() as tasks:
            self._workers.live_in(tasks)
            self._services.subscriber.listen(self._ring, self._rang)
            self._services.pulse.join(self)
            try:
                await self._read_own_backlog()
                task_status.started()
                while True:
                    await self._read_safely()
            finally:
                self._services.pulse.leave(self)
                self._services.subscriber.ignore(self._ring, self._rang)
                self._workers.paused = True
                with anyio.move_on_after(_LAST_WORDS, shield=True):
                    # After a drain there is nothing left; after a crash, what it did not begin.
                    await self._hand_back()

    async def drain(self) -> None:
        """Start nothing more and return once every handler under way has returned.

        What was read and not begun is handed back, and no start is counted: another instance takes it. So
        is what waits for another attempt, with the attempts that it had.
        """
        self._workers.paused = True
        self._attempts.stop()
        await self._hand_back()
        await self.quiet()
        self._settling.flush()
        await self._settling.confirmed()
        # What a read brought that was under way.
        async with self._reading:
            await self._hand_back()

    async def _hand_back(self) -> None:
        waiting = self._workers.take_back()
        unstarted = [delivery.entry for delivery, found_again in waiting if not found_again]
        started = [delivery.entry for delivery, found_again in waiting if found_again]
        started += self._attempts.unfinished
        self._attempts.unfinished.clear()
        for entries, begun in ((unstarted, False), (started, True)):
            if entries:
                await self._settling.hand_back(entries, self._ring, started=begun)

    async def quiet(self) -> None:
        """Return once no handler runs; comes true only after a `pause`, or when there is no mail."""
        await self._workers.quiet()

    def pause(self) -> None:
        """Start nothing more; answers are still read."""
        self._workers.paused = True

    def resume(self) -> None:
        """Go on after a pause."""
        self._workers.paused, self._rung = False, True
        self._wake.set()
        self._workers.call()

    def beat(self, now: float) -> None:
        """Do what is due now and then; see `mas.agent.pulse`."""
        self._answers.nudge()
        if self._settling.needs_care(now):
            self._care_due = True
            self._wake.set()
        if self._attempts.must_report(now):
            self._wake.set()
        lease = self._services.delivery.lease
        if now >= self._next_sweep:
            # Staggered by identity, so that a thousand inboxes do not look in the same instant.
            self._next_sweep = now + SWEEP * (0.75 + (id(self) >> 6) % 64 / 128)
            self._rang(None)
            self._workers.thin()
        if now >= self._next_reclaim:
            self._next_reclaim = now + lease / 2
            self._reclaim_due = True
            self._wake.set()

    def _rang(self, instance: bytes | None) -> None:
        if instance == HANDED_BACK:
            self._reclaim_due = True
            self._wake.set()
        elif not instance or instance == self._me.encode():
            self._rung = True
            self._wake.set()

    async def _read_safely(self) -> None:
        try:
            if self._generation != self._redis.generation:
                await self._redis.connected()
                self._generation = self._redis.generation
                await self._ensure_groups()
                await self._read_own_backlog()
                # Whether the last settlements happened is unknown: look at everything this consumer holds.
                self._backlog_after, self._rung = b"-", True
            self._care_due = False
            await self._settling.tend()
            await self._attempts.report()
            async with self._reading:
                await self._read()
            self._trouble = ""
            await self._wait()
        except RedisUnavailable:
            await self._redis.connected()
            await self._clock.sleep(pause(1, first=0.1, cap=0.1))
        except ResponseError as error:
            # NOGROUP after a flush: mail that comes from now on must not be skipped. Until it is enrolled
            # again, an instance has no stream of its own, and nothing that it sent would be let through.
            if self._trouble != str(error):
                self._trouble = str(error)
                log.warning("redis refused a read; looking after the groups", problem=self._trouble)
            await self._clock.sleep(pause(1, first=0.5, cap=0.5))
            await self._ensure_groups()
            self._rung = True

    async def _ensure_groups(self) -> bool:
        return await self._claims.ensure_groups(self._shared, self._own, self._enrolment)

    async def _wait(self) -> None:
        while not (
            self._rung
            or ((self._more or self._reclaim_due) and self._runs_dry())
            or self._care_due
            or self._attempts.report_due
            or self._generation != self._redis.generation
        ):
            self._wake = anyio.Event()
            await self._wake.wait()

    def _runs_dry(self) -> bool:
        """Say whether another read is worth its round trip: somebody is free, or half the window is."""
        if self._workers.paused:
            return False
        return self._workers.lack or self._engaged() <= self._window.size // 2

    def _engaged(self) -> int:
        return len(self._workers) + self._workers.working

    async def _read(self) -> None:
        self._rung = False
        room = 0 if self._workers.paused else max(0, self._window.size - self._engaged())
        if self._reclaim_due and room > 0 and self._backlog_after is None:
            await self._reclaim(room)
        if room > 0 and self._backlog_after is not None:
            await self._read_backlog(room)
            room = 0
        streams = (self._shared, self._own, ">", ">") if room > 0 else (self._own, ">")
        if not len(self._workers):
            self._window.filled(self._clock.monotonic())
        read = await self._redis.call(
            "XREADGROUP", "GROUP", AGENT_GROUP, self._me, "COUNT", room or MOST, "STREAMS", *streams
        )
        # Where the shared stream was not read, it may hold what was just rung for.
        self._more = room == 0
        for stream, entries in read or ():
            if stream == self._own.encode():
                self._take_answers(entries)
                self._rung |= len(entries) >= (room or MOST)
            else:
                self._take(entries)
                self._more = len(entries) >= room
        if self._backlog_after is not None:
            self._more = True

    async def _reclaim(self, room: int) -> None:
        idle, count = self._services.delivery.lease, max(room, _FEW)
        taken, lapsed, self._reclaim_due = await reclaim(
            self._redis, self._shared, AGENT_GROUP, self._me, idle=idle, count=count, lost=self._tell_trimmed
        )
        if lapsed:
            self._attempts.lapsed(lapsed)
        if taken:
            self._backlog_after = b"-"

    def _take(self, entries: list[Any]) -> None:
        opened = [self._open(entry, fields, "") for entry, fields in entries]
        self._workers.add([(delivery, False) for delivery in opened if delivery is not None])

    def _take_answers(self, entries: list[Any]) -> None:
        settled = []
        for entry, fields in entries:
            settled.append(entry)
            try:
                answer = open_delivery(entry, fields or [], self._credential, self._me)
            except IntegrityError as error:
                log.critical("an answer was not sealed by a gateway; it is ignored", problem=str(error))
                continue
            self._take_answer(answer)
        if settled:
            self._settling.settle_answers(self._own, settled)

    def _take_answer(self, answer: Delivery) -> None:
        message = AgentMessage(answer.message, "", self._send_reply)
        if self._answers.arrived(message):
            return
        notice = notice_in(message)
        if notice is None:
            log.debug("nobody waits for this answer any more", correlation=message.meta.correlation_id)
        elif not notice.decision.delivers:
            self._refused(refusal_of(notice))

    def _open(self, entry: bytes, fields: list[bytes] | None, instance: str) -> Delivery | None:
        """Open an entry of the shared stream; settle what must not be handled."""
        if fields is None:
            self._tell_trimmed(1)
            self._settling.done(entry)
            return None
        try:
            delivery = open_delivery(entry, fields, self._credential, instance)
        except IntegrityError as error:
            log.critical("a delivery was not sealed by a gateway; it is not handled", problem=str(error))
            self._settling.done(entry)
            return None
        if not self._settling.hold(delivery, self._clock.monotonic()):
            return None
        if delivery.message.sender_id == GATEWAY:
            self._take_answer(delivery)
            self._settling.done(entry)
            return None
        return delivery

    def _tell_trimmed(self, count: int) -> None:
        if self._services.fared is not None:
            self._services.fared.trimmed += count
        self._services.alarm(self._shared, f"{count} {TRIMMED}")

    async def _read_own_backlog(self) -> None:
        after = b"-"
        while page := await self._claims.backlog(self._own, after=after):
            self._take_answers([(held.id, held.fields) for held in page])
            after = page[-1].id

    async def _read_backlog(self, room: int) -> None:
        """Queue what this consumer holds and is not at work on: it was lost with a connection or a life."""
        assert self._backlog_after is not None  # noqa: S101 - the caller looked
        page = await self._claims.backlog(self._shared, after=self._backlog_after, count=room)
        found: list[Waiting] = []
        for held in page:
            if self._settling.holds(held.id):
                continue
            if (delivery := self._open(held.id, held.fields, "")) is not None:
                found.append((delivery, held.starts > 0))
        # What others left may be older than what waits here.
        self._workers.insert(found)
        self._backlog_after = page[-1].id if len(page) >= room else None
        if self._backlog_after is None:
            # What came meanwhile was rung for before anybody listened, or is waiting behind the backlog.
            self._rung = True

    def _worked_off(self) -> None:
        self._settling.flush()
        if self._more:
            self._window.emptied(self._clock.monotonic())
        if self._more or self._reclaim_due:
            self._wake.set()
