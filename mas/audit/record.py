"""One decision, as the trail keeps it.

Each record carries its gateway, that gateway's counter and a MAC, so that one changed, removed or put
in between shows. The counter runs without a hole within a `run`: a gateway begins a new run when it
starts, and when it cannot know whether its last commit happened.
"""

import secrets
from collections.abc import Iterable

import msgspec

from mas.decision import Decision
from mas.ids import AgentId, InstanceId, MessageId
from mas.trust.mac import mac


class AuditRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was decided about one message. Never its payload."""

    gateway: str
    run: str
    count: int
    """1, 2, 3, ... within the run."""
    decision: Decision
    sender: AgentId | str
    instance: InstanceId | str
    ingress: str
    """The submission's id in its ingress stream: when it came, by Redis' clock."""
    target: AgentId | str = ""
    type: str = ""
    message_id: MessageId | str = ""
    correlation_id: str = ""
    stage: str = ""
    reason: str = ""
    policy: str = ""
    """The policy's version at the decision."""
    digest: str = ""
    """Keyed hash of the envelope."""
    size: int = 0
    """Bytes of the envelope."""
    traceparent: str = ""


class Counter:
    """Numbers a gateway's records, and takes back numbers that were not written."""

    def __init__(self, gateway: str, key: bytes) -> None:
        self.gateway, self._key = gateway, key
        self.begin_run()

    def begin_run(self) -> None:
        """Start over at one, under a fresh name."""
        self.run, self._next, self._returned = secrets.token_hex(8), 1, list[int]()

    def take(self) -> int:
        """Return the next number; one that was given back first."""
        if self._returned:
            return self._returned.pop(0)
        number = self._next
        self._next += 1
        return number

    def give_back(self, numbers: Iterable[int]) -> None:
        """Return numbers whose records were not written, so that the run keeps no hole; 0 is none."""
        self._returned.extend(number for number in numbers if number)
        self._returned.sort()

    def fields(self, record: AuditRecord) -> tuple[str, str, str, str]:
        """Return a record as its stream entry holds it."""
        body = _encode(record)
        return ("record", body.decode(), "mac", mac(self._key, body))


_encode = msgspec.json.Encoder().encode
