"""What agents and the gateway say to each other, beside what agents say among themselves.

The types begin with `mas.`, which no agent may use. An agent writes to the gateway as to anyone; the
gateway's word arrives on the stream of the instance it is for.
"""

from typing import Any

import msgspec

from mas.decision import Decision
from mas.ids import AgentId, MessageId

DECISION_TYPE = "mas.decision"
"""To a sender: a `Notice`."""
ANSWER_TYPE = "mas.answer"
"""To who asked the gateway something: what the question's type says."""
FAILED_TYPE = "mas.failed"
"""To the gateway: a `Failed`; not answered."""
OUTCOMES_TYPE = "mas.outcomes"
"""To the gateway: a `Handled`; not answered."""
DISCOVER_TYPE = "mas.discover"
"""To the gateway: a `Discover`; the answer is a list of `Peer`."""


class Notice(msgspec.Struct, frozen=True, omit_defaults=True):
    """The gateway's word to a sender about one of its messages."""

    message_id: MessageId
    decision: Decision
    reason: str = ""
    retry_after: float | None = None
    """Seconds, where it is known."""


class Failed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A receiver's word that it gives one of its deliveries up."""

    entry: str
    """Its id in the receiver's stream."""
    attempts: int
    """How often a handler was started on it."""
    reason: str


class Handled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A receiver's word on how its handlers fared since it last said so."""

    failed: int
    handled: int


class Discover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is there that offers all of these capabilities?"""

    capabilities: tuple[str, ...] = ()


class Peer(msgspec.Struct, frozen=True):
    """An agent as another one, that may message it, sees it."""

    agent_id: AgentId
    capabilities: tuple[str, ...] = ()
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
