"""One instance that only speaks, and hears what becomes of what it said.

It reads its own stream and never the one that all instances of its agent share. There it settles the
answers to its own messages; whatever else lies there is left for the agent itself.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.agent.answers import Answers, Waiter
from mas.agent.delivery import open_delivery
from mas.agent.outbox import Outbox
from mas.agent.received import AgentMessage
from mas.clock import SYSTEM, Clock
from mas.control import Notice
from mas.errors import (
    EnrolmentRefused,
    IntegrityError,
    MasError,
    MessageRefused,
    NotARequest,
    RedisUnavailable,
    RequestTimeout,
)
from mas.ids import AgentId, MessageId, new_message_id
from mas.keys import AGENT_GROUP, Keys
from mas.log import logger
from mas.message import Meta
from mas.redis import Redis, Subscriber
from mas.trust import Credential

log = logger(__name__)

_PAGE = 100
_LAST_LOOK = 1.0
"""Seconds that the last look for a decision may take."""
_SWEEP = 1.0
"""Seconds after which it looks although nothing rang: a ring may be lost."""


class Voice:
    """See the module.

    :param ingress: the stream that its agent submits to
    :param largest: the most bytes that the gateway will take for an envelope
    """

    def __init__(
        self,
        redis: Redis,
        subscriber: Subscriber,
        keys: Keys,
        credential: Credential,
        ingress: str,
        *,
        largest: Callable[[], int],
        clock: Clock = SYSTEM,
    ) -> None:
        self._redis, self._subscriber, self._clock = redis, subscriber, clock
        self.credential = credential
        self._stream = keys.instance_stream(credential.agent_id, credential.instance_id)
        self._ring = keys.ring(credential.agent_id)
        self._outbox = Outbox(redis, ingress, credential, clock=clock, largest=largest)
        self._answers, self._undecided = Answers(), set[MessageId]()
        self._wake = anyio.Event()

    @property
    def owed(self) -> bool:
        """Whether the decision about something that it said is not known."""
        return bool(self._undecided)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Hear until cancelled; ready when it may speak. A Redis that goes away is waited for.

        :raises RedisUnavailable: if there is none at the start
        :raises EnrolmentRefused: if the instance is gone
        :raises redis.exceptions.ResponseError: if Redis refuses otherwise
        """
        await self._outbox.open()
        self._subscriber.listen(self._ring, self._rang)
        try:
            task_status.started()
            while True:
                self._wake = anyio.Event()
                try:
                    while await self._read():
                        pass
                except RedisUnavailable:
                    await self._redis.connected()
                    continue
                except ResponseError as error:
                    if "NOGROUP" not in str(error):
                        raise
                    gone = "it is gone from redis: it was revoked, or redis was emptied"
                    raise EnrolmentRefused(self.credential.agent_id, gone) from None
                with self._clock.move_on_after(_SWEEP):
                    await self._wake.wait()
        finally:
            self._subscriber.ignore(self._ring, self._rang)

    async def submit(self, target: AgentId, message_type: str, data: Any) -> MessageId:
        """Send a message and return when Redis has it; the errors are those of `Agent.send`."""
        message_id = new_message_id()
        await self._submit(target, message_type, data, Meta(self.credential.instance_id), message_id)
        return message_id

    async def say(self, target: AgentId, message_type: str, data: Any, *, timeout: float) -> Notice:
        """Send a message and return the gateway's decision, which lets it through.

        :param timeout: seconds to wait for it
        :raises MessageRefused: if the gateway decided against it
        :raises RedisUnavailable: if Redis did not take the message in time
        :raises MasError: if nobody decided in time
        """
        message_id, meta = new_message_id(), Meta(self.credential.instance_id, confirm=True)
        waiter = self._answers.expect(message_id, target)
        await self._speak(waiter, message_type, data, meta, message_id, waiter.decision, timeout)
        await waiter.decision()
        assert waiter.notice is not None  # noqa: S101 - there is no other decision
        return waiter.notice

    async def ask(self, target: AgentId, message_type: str, data: Any, *, timeout: float) -> AgentMessage:
        """Send a message and return the reply.

        :param timeout: seconds to wait for it
        :raises MessageRefused: if the gateway decided against it, or its receiver gave it up
        :raises RequestTimeout: if it was let through, and nobody replied in time
        :raises RedisUnavailable: if Redis did not take the message in time
        :raises MasError: if nobody even decided in time
        """
        message_id = new_message_id()
        meta = Meta(self.credential.instance_id, correlation_id=message_id, confirm=True)
        waiter = self._answers.expect(message_id, target)
        await self._speak(waiter, message_type, data, meta, message_id, waiter.reply, timeout)
        if not waiter.answered:
            raise RequestTimeout(target, message_type, timeout)
        return await waiter.reply()

    async def _speak(
        self,
        waiter: Waiter,
        message_type: str,
        data: Any,
        meta: Meta,
        message_id: MessageId,
        answer: Callable[[], Awaitable[object]],
        timeout: float,
    ) -> None:
        """Send a message and wait for an answer to it; return without one if it was at least decided."""
        taken = False
        try:
            with anyio.move_on_after(timeout):
                await self._submit(waiter.target, message_type, data, meta, message_id)
                taken = True
                await answer()
        finally:
            await self._forget(message_id, waiter)
        if not taken:
            raise RedisUnavailable(f"redis did not say within {timeout:g} s whether it took the message")
        if waiter.notice is None and not waiter.answered:
            raise MasError(
                f"no decision about {message_type} to {waiter.target} within {timeout:g} s; the message "
                "waits in redis, and is decided as soon as a gateway runs"
            )

    async def _submit(
        self, target: AgentId, message_type: str, data: Any, meta: Meta, message_id: MessageId
    ) -> None:
        # Noted before: of a submission that is cut short, nobody knows whether Redis has it.
        self._undecided.add(message_id)
        try:
            await self._outbox.submit(target, message_type, data, meta, message_id)
        except MessageRefused:
            self._undecided.discard(message_id)
            raise

    async def _forget(self, message_id: MessageId, waiter: Waiter) -> None:
        if waiter.notice is None and not waiter.answered:
            # It may have been decided just now, and even been read by a task that was cancelled over it.
            with anyio.move_on_after(_LAST_LOOK, shield=True), suppress(RedisUnavailable, ResponseError):
                await self._read()
                await self._read(b"0")
        self._answers.forget(message_id)
        if waiter.notice is not None or waiter.answered:
            self._undecided.discard(message_id)

    async def _read(self, since: bytes = b">") -> bool:
        """Read what is new, or from an id on what was read before; say whether there may be more."""
        me = self.credential.instance_id
        read = await self._redis.call(
            "XREADGROUP", "GROUP", AGENT_GROUP, me, "COUNT", _PAGE, "STREAMS", self._stream, since
        )
        entries = read[0][1] if read else []
        if ours := [entry for entry, fields in entries if self._heard(entry, fields or [])]:
            acknowledged = self._redis.post("XACK", self._stream, AGENT_GROUP, *ours)
            await self._redis.call("XDEL", self._stream, *ours)
            await acknowledged.result()
        return len(entries) == _PAGE

    def _heard(self, entry: bytes, fields: list[bytes]) -> bool:
        """Take an answer; say whether it was one to what was said here."""
        try:
            answer = open_delivery(entry, fields, self.credential, self.credential.instance_id)
        except IntegrityError as error:
            log.critical("an answer was not sealed by a gateway; it is ignored", problem=str(error))
            return False
        return self._answers.arrived(AgentMessage(answer.message, "", _no_reply))

    def _rang(self, instance: bytes | None) -> None:
        if not instance or instance == self.credential.instance_id.encode():
            self._wake.set()


async def _no_reply(asked: AgentMessage, _: str, __: Any) -> None:
    raise NotARequest(asked.message_type, asked.sender_id)
