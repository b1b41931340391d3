"""What happens to agents, told on one channel to whoever listens.

Events speed things up and inform; nothing depends on one arriving, for a published message may be
lost.
"""

from enum import StrEnum

import msgspec

from mas.ids import AgentId, InstanceId


class Kind(StrEnum):
    """What happened."""

    REGISTER = "REGISTER"
    DEREGISTER = "DEREGISTER"
    """Its registration is ended."""
    INACTIVE = "INACTIVE"
    """It takes no more mail, since it is to be forgotten; if it enrols it does again."""
    INSTANCE_JOIN = "INSTANCE_JOIN"
    INSTANCE_LEAVE = "INSTANCE_LEAVE"
    ROTATED = "ROTATED"
    REVOKED = "REVOKED"
    LIFTED = "LIFTED"
    RESTARTED = "RESTARTED"
    GIVEN_UP = "GIVEN_UP"
    """Its own budget of restarts is spent; it stays down until somebody starts it."""
    ESCALATED = "ESCALATED"
    """A supervisor failed in its turn; its name stands in the agent's place."""
    OVERRUN = "OVERRUN"
    """It ignored its cancellation and runs on past its time."""


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event on `mas.system`."""

    event: Kind
    agent_id: AgentId
    instance_id: InstanceId | None = None
    detail: str = ""


encode_event = msgspec.json.Encoder().encode
