"""What became of every message, told from what is in Redis and in the handlers' journal.

Ask once nothing moves any more. A scenario asserts on the one line that this comes to.
"""

import json
import re
from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from mas.audit import PublicKeys, Trail, trail_key
from mas.audit import Report as Found
from mas.audit.entry import Raw, order
from mas.audit.record import read_ranges
from mas.audit.seal import RangeSeal, sealed_of
from mas.audit.verify import Verifier
from mas.decision import Decision
from mas.keys import AGENT_GROUP, GATEWAY_GROUP
from mas.trust.mac import mac
from tests.redis.waiting import until
from tests.world import KEYRING, KEYS, audit, data_dir, entries, letters


class Report(NamedTuple):
    """Messages by their fate. Every fault must leave all from `lost` on at 0.

    Then what was delivered, refused and dead-lettered is what was audited, one by one.
    """

    sent: int
    accepted: int
    """With an ALLOWED record."""
    delivered_dup: int
    """ALLOWED more than once: twice in a target stream."""
    handled: int
    handled_dup: int
    """Handler starts beyond each message's first."""
    denied: int
    dlq: int
    lost: int
    """Sent, and neither handled nor refused nor a dead letter."""
    unaudited: int
    """Handled without a record; and dead letters without one of the same decision, or the other way round."""
    forged: int
    """Records without their MAC, or a number of a gateway's count that nothing accounts for."""
    pending: int
    """Still in ingress or in a target stream."""
    broken: int
    """Flaws that verification finds in the trail and its seals."""


def check(client: Any, sent: Iterable[int], journal: Iterable[tuple[int, str]], *targets: str) -> Report:
    """Look at everything.

    :param sent: the numbers that were sent as payloads
    :param journal: number and message id of each handler start
    :param targets: the agents they were sent to
    """
    numbers, starts = set(sent), list(journal)
    records, dead = audit(client), letters(client)
    allowed = Counter(
        r["message_id"] for r in records if r["decision"] == "ALLOWED" and r["target"] in targets
    )
    refused = [r for r in records if r["decision"] not in {"ALLOWED", "DEAD_LETTERED"}]
    kept = [letter["envelope"]["data"] for letter in dead if letter.get("envelope")]
    buried = {data for data in kept if isinstance(data, int)}
    handled = Counter(number for number, _ in starts)
    return Report(
        sent=len(numbers),
        accepted=len(allowed),
        delivered_dup=sum(allowed.values()) - len(allowed),
        handled=len(handled),
        handled_dup=sum(handled.values()) - len(handled),
        denied=sum(r["decision"] != "REPLAYED" for r in refused),
        dlq=sum(letter["decision"] == "DEAD_LETTERED" for letter in dead),
        lost=len(numbers - handled.keys() - buried),
        unaudited=len({message for _, message in starts} - allowed.keys()) + _unmatched(records, dead),
        forged=_forged(client),
        pending=_pending(client, targets),
        broken=len(verified(client).flaws),
    )


def verified(client: Any) -> Found:
    """Verify both trails with the deployment's keys, whether or not its sealer still runs."""
    kwargs = client.connection_pool.connection_kwargs
    path, port = kwargs.get("path"), kwargs.get("port")
    files = data_dir(f"unix://{path}" if path else f"redis://127.0.0.1:{port}")
    public = files / "audit.pub"
    keys = PublicKeys.load(public) if public.exists() else PublicKeys([])
    verifier = Verifier(keys, macs={trail: trail_key(KEYRING, trail.stream(KEYS)) for trail in Trail})
    with client.pipeline() as at_once:
        for stream in (KEYS.audit_seals, *(trail.stream(KEYS) for trail in Trail)):
            at_once.xrange(stream)
        seals, *trails = [deque(map(_raw, found)) for found in at_once.execute()]
    left = dict(zip(Trail, trails, strict=True))
    for entry in seals:
        link = sealed_of(entry)
        if link is not None and isinstance(seal := link.seal, RangeSeal):
            rest = left[seal.trail]
            while rest and order(rest[0][0]) <= order(seal.last):
                verifier.records(seal.trail, [rest.popleft()])
        verifier.seal(entry)
    for trail, rest in left.items():
        verifier.records(trail, list(rest))
    return verifier.finish()


def losses(client: Any) -> tuple[int, int]:
    """Count the flaws that tell of something that is gone, and those that tell of anything else."""
    problems = [flaw.problem for flaw in verified(client).flaws]
    gone = sum(re.search("gone|begins after this entry", problem) is not None for problem in problems)
    return gone, len(problems) - gone


def _raw(entry: tuple[bytes, dict[bytes, bytes]]) -> Raw:
    return [entry[0], [part for pair in entry[1].items() for part in pair]]


def _unmatched(records: list[Any], dead: list[Any]) -> int:
    """Count what was not delivered and stands in the trail or among the dead letters only."""
    told = Counter(r["decision"] for r in records if not Decision(r["decision"]).delivers)
    kept = Counter(letter["decision"] for letter in dead)
    return (told - kept).total() + (kept - told).total()


def _forged(client: Any) -> int:
    wrong, runs = 0, dict[tuple[str, str], set[int]]()
    key = trail_key(KEYRING, KEYS.audit_messages)
    for entry in entries(client, KEYS.audit_messages):
        wrong += mac(key, entry["record"].encode()) != entry["mac"]
        record = json.loads(entry["record"])
        numbers = runs.setdefault((record["gateway"], record["run"]), set())
        wrong += record["count"] in numbers
        numbers.add(record["count"])
        for first, last in read_ranges(record.get("voids", "")):
            numbers.update(range(first, last + 1))
    return wrong + sum(len(numbers) != max(numbers) for numbers in runs.values())


def _pending(client: Any, targets: Iterable[str]) -> int:
    total = 0
    for stream, group in [
        (KEYS.ingress, GATEWAY_GROUP),
        *((f"agent.stream:{t}", AGENT_GROUP) for t in targets),
    ]:
        total += client.xlen(stream) + client.xpending(stream, group)["pending"]
    return total


class Journal:
    """A file to which handlers append; a line once written survives the writer's SIGKILL."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def count(self) -> int:
        """Return how many handlers were started."""
        return self.path.read_bytes().count(b"\n")

    async def reaches(self, count: int, *, within: float = 30) -> None:
        """Wait until so many handlers were started."""
        await until(lambda: self.count() >= count, within=within, every=0.01)

    def read(self) -> list[tuple[int, str]]:
        """Return number and message id of each handler start."""
        lines = self.path.read_text().splitlines()
        return [(int(number), message) for number, message, *_ in map(str.split, lines)]

    def lines(self) -> list[list[str]]:
        """Return all words of each line."""
        return [line.split() for line in self.path.read_text().splitlines()]
