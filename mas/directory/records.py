"""What Redis keeps of an agent and of each of its instances.

One hash an agent, `agent:{id}`: the field `record` holds the registration, `status` a word for
operators, `left` when an instance left last, and `instance:{id}` one record an instance. Each record
carries its MAC.
"""

from typing import Any

import msgspec

from mas.errors import IntegrityError
from mas.ids import AgentId, InstanceId
from mas.keys import Keys
from mas.trust import protect, unprotect

ALGORITHM = "hmac-sha256"
RECORD = "record"
STATUS = "status"
LEFT = "left"
"""Seconds since the epoch, by Redis' clock; not there while nobody left since somebody joined."""


def instance_field(instance: InstanceId) -> str:
    """Name the hash field of an instance's record."""
    return f"instance:{instance}"


class AgentRecord(msgspec.Struct, frozen=True):
    """A registration: who an agent is and what it offers."""

    agent_id: AgentId
    capabilities: tuple[str, ...] = ()
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    outside: bool = False
    """Whether it runs elsewhere, with credentials of its own and an ingress stream of its own."""
    lane: bool = False
    """Whether some instance submits, or once did, to an ingress stream of its own."""


class InstanceRecord(msgspec.Struct, frozen=True):
    """An enrolment: what the token of one instance is derived from."""

    instance_id: InstanceId
    epoch: str
    """128 random bits as hex, minted at enrolment."""
    enrolled_at: float
    """Seconds since the epoch, like all times here."""
    expires_at: float
    """When the token ceases to be valid, whatever Redis says."""
    previous: str = ""
    """The epoch before a rotation: what was submitted under it is still to be decided."""
    previous_until: float = 0.0
    """Until when its token stays valid."""
    algorithm: str = ALGORITHM
    confined: bool = False
    """Whether a runner runs it in a process that has a Redis user of its own, and no more of Redis."""


def store(key: bytes, place: str, field: str, record: AgentRecord | InstanceRecord) -> bytes:
    """Return a record as its hash field holds it."""
    return protect(key, f"{place} {field}", msgspec.json.encode(record))


def read_agent(key: bytes, keys: Keys, agent: AgentId, stored: bytes) -> AgentRecord:
    """Return a registration.

    :raises IntegrityError: if it is not what enrolment wrote for this agent
    """
    place = f"{keys.agent(agent)} {RECORD}"
    record = msgspec.json.decode(unprotect(key, place, stored), type=AgentRecord)
    if record.agent_id != agent:
        raise IntegrityError(place, f"it is the record of {record.agent_id}")
    return record


def read_instance(
    key: bytes, keys: Keys, agent: AgentId, instance: InstanceId, stored: bytes
) -> InstanceRecord:
    """Return an enrolment.

    :raises IntegrityError: if it is not what enrolment wrote for this instance
    """
    place = f"{keys.agent(agent)} {instance_field(instance)}"
    record = msgspec.json.decode(unprotect(key, place, stored), type=InstanceRecord)
    if record.instance_id != instance or record.algorithm != ALGORITHM:
        raise IntegrityError(place, "it does not describe this instance")
    return record
