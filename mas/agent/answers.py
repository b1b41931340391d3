"""Who waits for which answer, and how long.

A scope with a deadline for each of thousands of requests would cost more than to send them. So as long as
much of its time is left, a request has none, and is told when little is.
"""

import math
from typing import Final

import anyio
import msgspec

from mas.agent.received import AgentMessage
from mas.control import DECISION_TYPE, Notice
from mas.errors import MessageRefused
from mas.ids import AgentId, MessageId
from mas.message import GATEWAY

_NEAR: Final = 2.0
"""Seconds that are little: more than pass between two nudges, on a busy machine too."""


class Waiter:
    """One answer awaited: the gateway's decision, or the target's reply.

    :param due: when nobody waits any more, by the event loop's clock
    """

    __slots__ = (
        "_bell",
        "_denied",
        "_is_decided",
        "_refusal",
        "_reply",
        "answered",
        "due",
        "notice",
        "target",
    )

    def __init__(self, target: AgentId, due: float = math.inf) -> None:
        self.target, self.due = target, due
        self._bell: anyio.Event | None = None
        self._is_decided = self._denied = False
        self.answered = False
        """Whether the reply is there, or it is known that there will be none."""
        self._refusal: MessageRefused | None = None
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
            self._denied = self._denied or not self._is_decided
            self._refusal = refusal_of(notice)
            self.answered = True
        self._is_decided = True
        self.nudge()

    def replied(self, reply: AgentMessage) -> None:
        """Take the reply; the first one counts."""
        self._reply = self._reply or reply
        self.answered = True
        self.nudge()

    def nudge(self) -> None:
        """Have who waits look whether there is news."""
        if self._bell is not None:
            self._bell.set()

    async def news(self) -> None:
        """Wait for a nudge; one that came before is missed.

        As long as much time is left, none of it is measured here: `Answers.nudge` tells when little is.

        :raises TimeoutError: when the answer is due
        """
        bell = self._bell = anyio.Event()
        if self.due - anyio.current_time() > _NEAR:
            await bell.wait()
            return
        with anyio.CancelScope(deadline=self.due) as patience:
            await bell.wait()
        if patience.cancelled_caught:
            raise TimeoutError

    async def decision(self) -> None:
        """Wait until the gateway let the message through.

        :raises MessageRefused: if it did not
        :raises TimeoutError: when the answer is due
        """
        while not self._is_decided:
            await self.news()
        if self._denied and self._refusal is not None:
            raise self._refusal

    async def reply(self) -> AgentMessage:
        """Wait for the reply.

        :raises MessageRefused: if there will be none
        :raises TimeoutError: when the answer is due
        """
        while not self.answered:
            await self.news()
        if self._reply is None:
            assert self._refusal is not None  # noqa: S101 - there is no third way to be answered
            raise self._refusal
        return self._reply


class Answers:
    """The answers that one instance waits for, by the id of the message they answer."""

    def __init__(self) -> None:
        self._waiting: dict[MessageId, Waiter] = {}

    def expect(self, message_id: MessageId, target: AgentId, due: float = math.inf) -> Waiter:
        """Begin to wait.

        :param due: until then, by the event loop's clock
        """
        waiter = self._waiting[message_id] = Waiter(target, due)
        return waiter

    def forget(self, message_id: MessageId) -> None:
        """Stop waiting."""
        self._waiting.pop(message_id, None)

    def nudge(self) -> None:
        """Have those look after their time who have little left; to be called about twice a second."""
        if self._waiting:
            near = anyio.current_time() + _NEAR
            for waiter in self._waiting.values():
                if waiter.due <= near:
                    waiter.nudge()

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
