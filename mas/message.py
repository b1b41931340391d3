"""The envelope: what one agent says to another, and its one encoding on the wire.

An envelope is encoded once, by its sender; from then on the exact bytes travel, and whoever reads
them decodes but never encodes again. The payload stays raw until a handler wants it.
"""

import re
from functools import lru_cache
from typing import Any

import msgspec

from mas.ids import AgentId, InstanceId, MessageId

GATEWAY = AgentId("mas.gateway")
"""Who signs decisions, and whom control messages go to."""
EMPTY = msgspec.Raw(b"{}")


class Meta(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """What a message says about itself besides its payload."""

    sender_instance_id: InstanceId
    correlation_id: MessageId | None = None
    """On a request its own message id; on a reply the request's."""
    is_reply: bool = False
    permit: str | None = None
    """On a reply: the permit that came with the request."""
    confirm: bool = False
    """Whether the sender waits for the decision even when it is ALLOWED."""
    expires_at: float | None = None
    """Seconds since the epoch after which nobody wants the message any more."""
    root_id: MessageId | None = None
    """The message that began the chain; None for one that begins it."""
    depth: int = 0
    """How many messages stand between this one and the root, itself included."""
    traceparent: str | None = None
    """W3C trace context."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One message; times in seconds since the epoch, by the sender's clock."""

    sender_id: AgentId
    target_id: AgentId
    message_type: str
    data: msgspec.Raw
    meta: Meta
    timestamp: float
    message_id: MessageId


def _plain(value: Any) -> Any:
    """Turn what msgspec does not know into what it does: pydantic models, by duck."""
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"{type(value).__qualname__} cannot be sent as JSON")
    return dump(mode="json")


@lru_cache(maxsize=4096)
def is_message_type(text: str) -> bool:
    """Say whether a text could be a message's type; those that begin with `mas.` belong to the runtime.

    :param text: remembered, so whoever takes it from strangers looks at its length first
    """
    return _type_matches(text) is not None


_type_matches = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}").fullmatch
_encoder = msgspec.json.Encoder(enc_hook=_plain)
_decoder = msgspec.json.Decoder(Message)

encode = _encoder.encode
"""Encode an envelope, or any payload, as JSON bytes.

A `Message` built to be sent may hold any encodable object as its `data`: it is encoded in place.
"""


decode = _decoder.decode
"""Decode an envelope; raises `msgspec.DecodeError` when it is none."""


def is_canonical(message: Message, body: bytes) -> bool:
    """Say whether these bytes are the one encoding of this message.

    Two parsers can read duplicate keys or odd spellings differently; an envelope that is not spelled
    the one way is refused before anybody could.
    """
    return encode(message) == body
