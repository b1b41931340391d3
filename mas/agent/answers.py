"""Who waits for which answer."""

import anyio
import msgspec

from mas.agent.received import AgentMessage
from mas.control import DECISION_TYPE, Notice
from mas.errors import MessageRefused
from mas.ids import AgentId, MessageId
from mas.message import GATEWAY


class Waiter:
    """One answer awaited: the gateway's decision, or the target's reply."""

    __slots__ = ("_decided", "_denied", "_refusal", "_replied", "_reply", "notice", "target")

    def __init__(self, target: AgentId) -> None:
        self.target = target
        self._decided, self._replied = anyio.Event(), anyio.Event()
        self._refusal: MessageRefused | None = None
        self._denied = False
        self.notice: Notice | None = None
        """The gateway's decision, once it is known."""
        self._reply: AgentMessage | None = None

    def decided(self, notice: Notice) -> None:
        """Take the gateway's decision; a refusal is also all the reply there will be.

        The first one is the decision. A later one tells what became of a message that was let through.
        """
        self.notice = self.notice or notice
        if not notice.decision.delivers:
            # One that is read twice is still the decision.
            self._denied = self._denied or not self._decided.is_set()
            self._refusal = refusal_of(notice)
            self._replied.set()
        self._decided.set()

    @property
    def answered(self) -> bool:
        """Whether the reply is there, or it is known that there will be none."""
        return self._replied.is_set()

    def replied(self, reply: AgentMessage) -> None:
        """Take the reply; the first one counts."""
        self._reply = self._reply or reply
        self._replied.set()

    async def decision(self) -> None:
        """Wait until the gateway let the message through.

        :raises MessageRefused: if it did not
        """
        await self._decided.wait()
        if self._denied and self._refusal is not None:
            raise self._refusal

    async def reply(self) -> AgentMessage:
        """Wait for the reply.

        :raises MessageRefused: if there will be none
        """
        await self._replied.wait()
        if self._reply is None:
            assert self._refusal is not None  # noqa: S101 - one of them set the event
            raise self._refusal
        return self._reply


class Answers:
    """The answers that one instance waits for, by the id of the message they answer."""

    def __init__(self) -> None:
        self._waiting: dict[MessageId, Waiter] = {}

    def expect(self, message_id: MessageId, target: AgentId) -> Waiter:
        """Begin to wait."""
        waiter = self._waiting[message_id] = Waiter(target)
        return waiter

    def forget(self, message_id: MessageId) -> None:
        """Stop waiting."""
        self._waiting.pop(message_id, None)

    def arrived(self, message: AgentMessage) -> bool:
        """Hand an answer to who waits for it; False when nobody does any more."""
        correlation = message.meta.correlation_id
        waiter = self._waiting.get(correlation) if correlation is not None else None
        if waiter is None:
            return False
        if (notice := notice_in(message)) is not None:
            waiter.decided(notice)
            return True
        if message.sender_id != waiter.target:
            return False
        waiter.replied(message)
        return True


def notice_in(message: AgentMessage) -> Notice | None:
    """Return the gateway's decision that a message carries, if it is one."""
    if message.sender_id == GATEWAY and message.message_type == DECISION_TYPE:
        return msgspec.json.decode(message.raw, type=Notice)
    return None


def refusal_of(notice: Notice) -> MessageRefused:
    """Return a refusal as it is raised."""
    return MessageRefused(
        notice.decision, notice.reason, message_id=notice.message_id, retry_after=notice.retry_after
    )
