"""Which message is being handled here: what is sent meanwhile was caused by it."""

from contextvars import ContextVar

import msgspec

from mas.message import Message, Meta

CAUSE: ContextVar[Message | None] = ContextVar("mas_cause", default=None)
"""Set around each handler; tasks that a handler starts inherit it."""


def caused(meta: Meta) -> Meta:
    """Return the meta with its place in the chain of the message being handled, if one is."""
    cause = CAUSE.get()
    if cause is None:
        return meta
    return msgspec.structs.replace(
        meta,
        root_id=cause.meta.root_id or cause.message_id,
        depth=cause.meta.depth + 1,
        traceparent=meta.traceparent or cause.meta.traceparent,
    )
