"""One decision, as the trail keeps it, and the numbers that make a missing one show.

Each record carries its gateway, a number and a MAC. Numbers rise by one within a `run`; a gateway begins
a new run when it starts, once a day, and when it cannot know whether its last commit happened; a command,
of which there may be thousands a day, begins one that is over in a minute. A number that was taken for a
record which the commit then did not write is declared unwritten by every record of the gateway's next
commit. So whoever reads a run knows of each number what became of it, one commit later at the latest.
"""

import secrets
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Protocol

import msgspec

from mas.decision import Decision
from mas.ids import AgentId, InstanceId, MessageId
from mas.trust.mac import mac

RUN_LIFE = 86_400
"""Seconds a run lasts at most, so that its number need not be remembered for ever."""
BRIEF_LIFE = 60
"""The same for a brief run: each seal carries what is remembered of all, and each command may begin one."""
_BRIEF = "b-"
"""Stands in the name of a brief run behind the time at which it began."""


class AuditRecord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What was decided about one message.

    Its time is its entry's id, by Redis' clock; the time since `ingress` is what the message spent waiting
    for the gateway and in it: its latency, see `mas.audit.Found`.
    """

    gateway: str
    run: str
    commit: int
    """The number of the first record of its commit."""
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
    """Which policy refused it; empty if none did."""
    rule: str = ""
    """Which entry of the configuration granted or blocked it."""
    reason: str = ""
    policy: str = ""
    """The policy's version at the decision."""
    violations: dict[str, int] = {}
    """Findings of data loss prevention, by class."""
    digest: str = ""
    """Keyed hash of the envelope."""
    size: int = 0
    """Bytes of the envelope."""
    traceparent: str = ""
    payload: str = ""
    """The encrypted payload, with `audit.payload: encrypted` only; see `mas.audit.payload`."""
    voids: str = ""
    """Numbers of earlier commits that were never written: `7,9-12`."""


class Numbered(Protocol):
    """A record as the counter writes it."""

    @property
    def count(self) -> int:
        """Its number."""
        ...


class Counter:
    """Numbers a gateway's records, one commit after the other.

    :param key: of the trail that the records go to; see `mas.audit.trails`
    :param brief: whether runs are to be forgotten soon
    """

    def __init__(self, gateway: str, key: bytes, *, brief: bool = False) -> None:
        self.gateway, self._key, self._brief = gateway, key, brief
        self.begin_run()

    def begin_run(self) -> None:
        """Start over at one, under a fresh name, with the next commit."""
        self.run, self.commit, self.voids = "", 1, ""
        self._next, self._ends = 1, 0.0
        self._unwritten: set[int] = set()
        self._declared: set[int] = set()

    def begin_commit(self, now: float) -> None:
        """Begin the next commit; the outcome of the one before is known.

        :param now: seconds since the epoch, by Redis' clock
        """
        if now >= self._ends:
            self.begin_run()
            self.run = f"{int(now):08x}{_BRIEF if self._brief else ''}{secrets.token_hex(4)}"
            self._ends = now + life_of(self.run)
        lost = sum(number >= self.commit for number in self._unwritten)
        if self._next - self.commit > lost:
            # Some record of the last commit stands and says what it declared.
            self._unwritten -= self._declared
        self.commit = self._next
        self._declared = set(self._unwritten)
        self.voids = write_ranges(self._unwritten) if self._unwritten else ""

    def take(self) -> int:
        """Return the next number."""
        number = self._next
        self._next += 1
        return number

    def give_back(self, numbers: Iterable[int]) -> None:
        """Take note that these numbers' records were not written; 0 is none."""
        self._unwritten.update(number for number in numbers if number)
        while self._next - 1 in self._unwritten:
            self._next -= 1
            self._unwritten.remove(self._next)

    def fields(self, record: Numbered) -> tuple[str, str, str, str]:
        """Return a record as its stream entry holds it."""
        body = _encode(record)
        return ("record", body.decode(), "mac", mac(self._key, body))


def began(run: str) -> int:
    """Return when a run began, in seconds since the epoch; 0 if its name does not say."""
    try:
        return int(run[:8], 16)
    except ValueError:
        return 0


def life_of(run: str) -> int:
    """Return how many seconds a run lasts at most, which its name says."""
    return BRIEF_LIFE if run.startswith(_BRIEF, 8) else RUN_LIFE


def write_ranges(numbers: Iterable[int]) -> str:
    """Write numbers as `7,9-12`."""
    ordered = sorted(numbers)
    starts = [ordered[0], *(b for a, b in pairwise(ordered) if b > a + 1)]
    ends = [*(a for a, b in pairwise(ordered) if b > a + 1), ordered[-1]]
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


def read_ranges(text: str) -> Iterator[tuple[int, int]]:
    """Read what `write_ranges` wrote: first and last of each range.

    :raises ValueError: if it did not write that
    """
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        yield int(first), int(last if dash else first)


_encode = msgspec.json.Encoder().encode
