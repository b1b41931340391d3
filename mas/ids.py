"""What is a valid id, and how a new one is minted.

Every door (YAML, enrolment, envelope, reply route) passes what it is given through `agent_id` or
`instance_id` before it becomes part of a key.
"""

import re
import secrets
from typing import NewType

from mas.errors import InvalidId

AgentId = NewType("AgentId", str)
InstanceId = NewType("InstanceId", str)
MessageId = NewType("MessageId", str)

RESERVED = "mas."
"""Agent ids and message types that begin so belong to the runtime."""
PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
_matches = re.compile(PATTERN).fullmatch


def is_valid(value: object) -> bool:
    """Say whether a value could be an id of any kind."""
    return isinstance(value, str) and _matches(value) is not None


def agent_id(value: object) -> AgentId:
    """Return the value as an agent id.

    :raises InvalidId: if it is not one, or begins with `mas.`, which belongs to the runtime
    """
    if not is_valid(value) or str(value).startswith(RESERVED):
        raise InvalidId("agent id", value)
    return AgentId(str(value))


def instance_id(value: object) -> InstanceId:
    """Return the value as an instance id.

    :raises InvalidId: if it is not one
    """
    if not is_valid(value):
        raise InvalidId("instance id", value)
    return InstanceId(str(value))


def new_instance_id() -> InstanceId:
    """Mint an instance id: 64 random bits, so that no two runs share one."""
    return InstanceId(secrets.token_hex(8))


def new_message_id() -> MessageId:
    """Mint a message id: 128 random bits as hex."""
    return MessageId(secrets.token_hex(16))
