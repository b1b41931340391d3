"""A message as its receiver sees it."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from mas.errors import NotARequest
from mas.ids import AgentId, MessageId
from mas.message import Message, Meta

SendReply = Callable[["AgentMessage", str, Any], Awaitable[None]]
_UNREAD = object()


class AgentMessage:
    """One message, delivered.

    :ivar attempt: how often a handler was started on it, this start included
    """

    __slots__ = ("_data", "_envelope", "_permit", "_send_reply", "attempt")

    def __init__(self, envelope: Message, permit: str, send_reply: SendReply, attempt: int = 1) -> None:
        self._envelope, self._permit, self._send_reply = envelope, permit, send_reply
        self._data: Any = _UNREAD
        self.attempt = attempt

    def __repr__(self) -> str:
        e = self._envelope
        return f"<AgentMessage {e.message_type} {e.sender_id} -> {e.target_id} {e.message_id}>"

    @property
    def sender_id(self) -> AgentId:
        """Who sent it: checked by the gateway, not a claim."""
        return self._envelope.sender_id

    @property
    def target_id(self) -> AgentId:
        """Whom it is for."""
        return self._envelope.target_id

    @property
    def message_type(self) -> str:
        """What it is about."""
        return self._envelope.message_type

    @property
    def message_id(self) -> MessageId:
        """The same for every delivery of it: what an idempotent handler remembers."""
        return self._envelope.message_id

    @property
    def timestamp(self) -> float:
        """When it was written: seconds since the epoch, by the sender's clock."""
        return self._envelope.timestamp

    @property
    def meta(self) -> Meta:
        """What it says about itself."""
        return self._envelope.meta

    @property
    def raw(self) -> bytes:
        """The payload as JSON bytes."""
        return bytes(self._envelope.data)

    @property
    def data(self) -> Any:
        """The payload as plain data; decoded when first asked for."""
        if self._data is _UNREAD:
            self._data = msgspec.json.decode(self._envelope.data)
        return self._data

    @property
    def expects_reply(self) -> bool:
        """Whether somebody waits for an answer."""
        return bool(self._permit)

    @property
    def permit(self) -> str:
        """The gateway's leave to answer; empty on a message that is no request."""
        return self._permit

    async def reply(self, message_type: str, data: Any = None) -> None:
        """Answer the instance that asked.

        Returns when Redis has the reply. Only the first reply counts; a later one is dropped.

        :param data: anything `Agent.send` takes
        :raises NotARequest: if nobody asked
        """
        if not self._permit:
            raise NotARequest(self.message_type, self.sender_id)
        await self._send_reply(self, message_type, data)
