"""Submit messages: encode once, sign, append, and return when Redis has it.

A connection lost on the way is waited for and the same bytes are appended again, under the same
sequence number: the gateway commits that number once, so a retry can never deliver twice.
"""

import sys
from collections.abc import Callable
from typing import Any

import anyio
from redis.exceptions import OutOfMemoryError

from mas.agent.cause import caused
from mas.clock import SYSTEM, Clock
from mas.decision import Decision
from mas.errors import MessageRefused, RedisUnavailable
from mas.ids import AgentId, MessageId, new_message_id
from mas.message import GATEWAY, Message, Meta, encode
from mas.redis import Redis, Reply
from mas.trust import Credential, prove

Command = tuple[str | bytes, ...]


class Posted:
    """A message on its way to Redis."""

    __slots__ = ("command", "made_sure", "reply")

    def __init__(self, reply: Reply, command: Command) -> None:
        self.reply, self.command = reply, command
        self.made_sure = False
        """Whether Redis took it at a later attempt."""


class Outbox:
    """What one instance sends.

    :param ingress: the stream it submits to
    :param patience: seconds a send goes on trying while Redis is away
    :param largest: the most bytes that the gateway will take for an envelope
    """

    def __init__(
        self,
        redis: Redis,
        ingress: str,
        credential: Credential,
        *,
        clock: Clock = SYSTEM,
        patience: float = 30.0,
        largest: Callable[[], int] = lambda: sys.maxsize,
    ) -> None:
        self._redis, self._credential, self._clock = redis, credential, clock
        self._ingress, self._patience, self._largest = ingress, patience, largest
        self._sequence = 0
        self._plain = Meta(credential.instance_id)

    async def open(self) -> None:
        """Begin counting where no earlier run of this instance can have counted: at Redis' clock."""
        seconds, micros = await self._redis.call("TIME")
        self._sequence = max(self._sequence, int(seconds) * 1_000_000 + int(micros))

    @property
    def plain(self) -> Meta:
        """The meta of a message that is neither request nor reply."""
        return self._plain

    async def submit(
        self,
        target: AgentId,
        message_type: str,
        data: Any,
        meta: Meta | None = None,
        message_id: MessageId | None = None,
    ) -> None:
        """Append a message to the ingress stream, and return when Redis has it.

        :raises RedisUnavailable: if Redis could not be reached for the whole patience; the message may
            have been accepted all the same. Or if it has no memory left; then it has not been
        :raises MessageRefused: if the envelope is larger than the gateway will take; nothing was appended
        :raises TypeError: if the payload cannot be encoded
        """
        command = self._sign(target, message_type, data, meta or self._plain, message_id)
        try:
            await self._redis.post(*command).result()
        except RedisUnavailable:
            await self._insist(command)
        except OutOfMemoryError as error:
            raise _full(error) from error

    def post(
        self,
        target: AgentId,
        message_type: str,
        data: Any,
        meta: Meta,
        message_id: MessageId,
        failed: Callable[[], None],
    ) -> Posted:
        """Append a message, but leave it to its answer to say that Redis has it.

        :param failed: called when it is known that Redis may not have it
        :raises MessageRefused: as `submit` does
        :raises TypeError: likewise
        """
        command = self._sign(target, message_type, data, meta, message_id)
        reply = self._redis.post(*command)
        reply.on_failure = failed
        return Posted(reply, command)

    async def make_sure(self, posted: Posted) -> None:
        """Go on trying, where Redis could not be reached; do nothing as long as there is no trouble.

        :raises RedisUnavailable: as `submit` does
        :raises redis.exceptions.ResponseError: if Redis refuses the message
        """
        if posted.made_sure or (failure := posted.reply.failure) is None:
            return
        if isinstance(failure, OutOfMemoryError):
            raise _full(failure) from failure
        if not isinstance(failure, RedisUnavailable):
            raise failure
        await self._insist(posted.command)
        posted.made_sure = True

    def _sign(
        self,
        target: AgentId,
        message_type: str,
        data: Any,
        meta: Meta,
        message_id: MessageId | None,
    ) -> Command:
        credential = self._credential
        now = self._clock.wall()
        envelope = encode(
            Message(
                credential.agent_id,
                target,
                message_type,
                data,
                caused(meta),
                now,
                message_id or new_message_id(),
            )
        )
        if len(envelope) > (most := self._largest()) and target != GATEWAY:
            reason = f"{len(envelope):,} bytes with its envelope, and limits.max_envelope is {most:,} here"
            raise MessageRefused(Decision.TOO_LARGE, reason, message_id=message_id or "")
        self._sequence += 1
        sequence, signed_at = b"%d" % self._sequence, encode(now)
        return (
            "XADD", self._ingress, "*",
            "envelope", envelope,
            "agent", credential.agent_id,
            "instance", credential.instance_id,
            "timestamp", signed_at,
            "sequence", sequence,
            "signature", prove(credential.token, envelope, signed_at, sequence),
        )  # fmt: skip

    async def _insist(self, command: Command) -> None:
        with anyio.move_on_after(self._patience) as patience:
            while True:
                await self._redis.connected()
                try:
                    await self._redis.post(*command).result()
                except RedisUnavailable:
                    continue
                except OutOfMemoryError as error:
                    raise _full(error) from error
                return
        if patience.cancelled_caught:
            raise RedisUnavailable(f"redis could not be reached for {self._patience:g} s")


def _full(error: OutOfMemoryError) -> RedisUnavailable:
    return RedisUnavailable(f"redis is out of memory, and takes no more messages: {error}")
