"""Which records match; ranges whose seals rule them out are never read."""

import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from mas.audit.entry import Raw, order, record_of
from mas.audit.moment import moment
from mas.audit.seal import ANY, RangeSeal
from mas.audit.source import Chunk
from mas.audit.trails import Trail
from mas.decision import Decision


class Filter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to look for; what is left empty matches everything."""

    trail: Trail | None = None
    sender: str = ""
    """Of an event: who wrote it."""
    target: str = ""
    """Of an event: what it is about."""
    type: str = ""
    """Of a message: a pattern, in which `*` stands for anything."""
    decision: str = ""
    """Or a kind of event."""
    refused: bool = False
    """Only messages that were not let through, or were given up by their receiver."""
    violation: str = ""
    """A class of what data loss prevention found."""
    correlation: str = ""
    """A correlation id, or a message's own."""
    since: float = 0.0
    """Seconds since the epoch, included."""
    until: float = float("inf")
    """Seconds since the epoch, excluded."""

    def wants(self, seal: RangeSeal) -> bool:
        """Say whether a range may hold a match."""
        return (
            self.trail in {None, seal.trail}
            and order(seal.last)[0] / 1000 >= self.since
            and order(seal.first)[0] / 1000 < self.until
            and all(
                not name or names == ANY or name in names
                for name, names in (
                    (self.sender, seal.senders),
                    (self.target, seal.targets),
                    (self.decision, seal.decisions),
                    (self.violation, seal.classes),
                )
            )
        )

    def matches(self, found: "Found") -> bool:
        """Say whether a record is one."""
        record = found.record
        names = ("gateway", "subject", "event") if "event" in record else ("sender", "target", "decision")
        sender, target, decision = (record.get(name) for name in names)
        return (
            self.trail in {None, found.trail}
            and self.since <= found.seconds < self.until
            and self.sender in {"", sender}
            and self.target in {"", target}
            and self.decision in {"", decision}
            and (not self.type or ("type" in record and fnmatchcase(str(record["type"]), self.type)))
            and (not self.refused or decision in _REFUSALS)
            and (not self.violation or self.violation in record.get("violations", ()))
            and self.correlation in {"", record.get("correlation_id"), record.get("message_id")}
        )

    def __str__(self) -> str:
        said = msgspec.to_builtins(self)
        for name in said.keys() & {"since", "until"}:
            said[name] = moment(said[name])
        return " ".join(f"{name}={value}" for name, value in said.items()) or "everything"


class Found(msgspec.Struct, frozen=True):
    """A record with its place."""

    trail: Trail
    id: str
    record: dict[str, Any]

    @property
    def seconds(self) -> float:
        """When it was written, since the epoch, by Redis' clock."""
        return order(self.id)[0] / 1000

    @property
    def latency(self) -> float | None:
        """Seconds from the message's arrival in its ingress stream to its decision; None for an event.

        Both by Redis' clock, in whole milliseconds. So it is what the message waited for the gateway and what
        the gateway took. An agent that runs elsewhere can choose the former of its own entries, and an
        operator's order to redrive counts from the order.
        """
        arrived = str(self.record.get("ingress", ""))
        return (order(self.id)[0] - order(arrived)[0]) / 1000 if _is_id(arrived) else None


async def select(chunks: AsyncGenerator[Chunk], wanted: Filter) -> AsyncGenerator[Found]:
    """Yield the records that match, trail by trail in the order of the seals."""
    async with aclosing(chunks):
        async for trail, entries in chunks:
            if trail is not None:
                for found in opened(trail, entries):
                    if wanted.matches(found):
                        yield found


def opened(trail: Trail, entries: Iterable[Raw]) -> Iterable[Found]:
    """Return entries as records; what is none is passed over: verification names it."""
    for entry in entries:
        body = record_of(entry)
        try:
            record = _decode(body or b"")
        except msgspec.DecodeError:
            continue
        if all(isinstance(record.get(name, ""), str) for name in _TEXTS) and isinstance(
            record.get("violations", _NONE), dict
        ):
            yield Found(trail, entry[0].decode(), record)


_REFUSALS: Final = frozenset(decision for decision in Decision if not decision.delivers)
_is_id = re.compile(r"\d{1,20}-\d{1,20}", re.ASCII).fullmatch
_TEXTS: Final = ("sender", "target", "decision", "policy", "gateway", "event", "subject", "actor", "detail")
_NONE: Final[dict[str, int]] = {}
_decode = msgspec.json.Decoder(dict[str, str | int | float | dict[str, int]]).decode
