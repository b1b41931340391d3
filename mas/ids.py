"""What is a valid id, and how a new one is minted.

Every door (YAML, enrolment, envelope, reply route) passes what it is given through `agent_id`,
`instance_id` or `capability` before it becomes part of a key.
"""

import os
import re
import secrets
from functools import lru_cache
from itertools import count
from typing import NewType

from mas.errors import InvalidId

AgentId = NewType("AgentId", str)
InstanceId = NewType("InstanceId", str)
MessageId = NewType("MessageId", str)

RESERVED = "mas."
"""Agent ids and message types that begin so belong to the runtime."""
_process = [secrets.token_hex(8)]
_next = count(1).__next__
LONGEST = 128
"""Characters in an id at most."""
PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
_matches = re.compile(PATTERN).fullmatch


def is_valid(value: object) -> bool:
    """Say whether a value could be an id of any kind."""
    return isinstance(value, str) and len(value) <= LONGEST and _is_valid(value)


def _begin_anew() -> None:
    """Draw another prefix: a forked child counts on from where its parent does."""
    _process[0] = secrets.token_hex(8)


os.register_at_fork(after_in_child=_begin_anew)


@lru_cache(maxsize=4096)
def _is_valid(text: str) -> bool:
    return _matches(text) is not None


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


def capability(value: object) -> str:
    """Return the value as the name of a capability: text in any language, on one line.

    :raises InvalidId: if it is not one
    """
    text = value if isinstance(value, str) else ""
    if not 0 < len(text) <= LONGEST or not text.isprintable() or text != text.strip():
        raise InvalidId("capability", value, f"1 to {LONGEST} printable characters, no space at either end")
    return text


def new_instance_id() -> InstanceId:
    """Mint an instance id: 64 random bits, so that no two runs share one."""
    return InstanceId(secrets.token_hex(8))


def new_message_id() -> MessageId:
    """Mint a message id: 64 random bits of this process, then a count, as 32 hex digits.

    Unique, and not a secret: nothing is granted to whoever guesses one. Randomness for each would cost
    a system call a message.
    """
    return MessageId(f"{_process[0]}{_next():016x}")
