"""A trail made by hand: several gateways that take turns, some whose commits left numbers unwritten."""

import random
import time
from typing import Any, NamedTuple

from mas.audit.author import Author
from mas.audit.entry import Raw
from mas.audit.record import AuditRecord, Counter
from mas.audit.report import Report
from mas.audit.seal import Sealed, sealed_of
from mas.audit.signing import PublicKeys, SealKey
from mas.audit.trails import Trail, trail_key
from mas.audit.verify import Verifier
from mas.decision import Decision
from mas.keys import Keys
from mas.trust import Keyring

KEYRING = Keyring(b"a secret that only tests have")
MACS = {trail: trail_key(KEYRING, trail.stream(Keys())) for trail in Trail}


class Made(NamedTuple):
    """Records in pieces, each but the last with its seal."""

    key: SealKey
    ranges: list[tuple[list[Raw], Raw]]
    rest: list[Raw]
    author: Author

    @property
    def public(self) -> PublicKeys:
        return PublicKeys([self.key.public])

    def copies(self) -> list[Sealed]:
        """Return what a sink outside Redis knows."""
        return [self._link(0), self._link(-1)]

    def _link(self, at: int) -> Sealed:
        link = sealed_of(self.ranges[at][1])
        assert link is not None
        return link


def records(count: int, *, gateways: int = 4, chance: random.Random | None = None) -> list[Raw]:
    """Return the records of some gateways, as their commits wrote them one after the other."""
    chance = chance or random.Random(7)
    began = time.time() - 3600
    counters = [Counter(f"host-{n}", MACS[Trail.MESSAGES]) for n in range(1, gateways + 1)]
    written: list[Raw] = []
    ms = int(began * 1000)
    while len(written) < count:
        counter, ms = chance.choice(counters), ms + chance.randrange(1, 4)
        counter.begin_commit(began)
        size, unwritten = chance.randrange(1, 65), []
        for place in range(size):
            number = counter.take()
            if chance.random() < 0.02:
                unwritten.append(number)
                continue
            fields = counter.fields(record(counter, number, chance))
            written.append([f"{ms}-{place}".encode(), [field.encode() for field in fields]])
        counter.give_back(unwritten)
    return written[:count]


def record(counter: Counter, number: int, chance: random.Random) -> AuditRecord:
    sender, target = chance.sample(("ann", "bob", "cat", "dan"), 2)
    denied = chance.random() < 0.1
    return AuditRecord(
        counter.gateway,
        counter.run,
        counter.commit,
        number,
        Decision.AUTHZ_DENIED if denied else Decision.ALLOWED,
        sender,
        "i-1",
        "1-0",
        target,
        "tell",
        f"{chance.getrandbits(128):032x}",
        violations={"email": 1} if chance.random() < 0.01 else {},
        voids=counter.voids,
    )


def sealed(entries: list[Raw], *, each: int, unsealed: int = 0, key: SealKey | None = None) -> Made:
    """Seal all but the last of some records, `each` a seal."""
    key = key or SealKey.new()
    author = Author(key, MACS)
    ranges = []
    body = entries[: len(entries) - unsealed]
    for at in range(0, len(body), each):
        draft = author.draft(Trail.MESSAGES)
        draft.examine(body[at : at + each])
        link = author.range(draft.examined(), time.time())
        author.accept(link)
        stored: Raw = [b"%d-0" % (at + 1), [b"seal", link.signed.body, b"signature", link.signed.signature]]
        ranges.append((body[at : at + each], stored))
    return Made(key, ranges, entries[len(body) :], author)


def verified(made: Made, *, outside: Any = (), macs: Any = MACS, public: PublicKeys | None = None) -> Report:
    """Verify what may have been changed meanwhile."""
    verifier = Verifier(public or made.public, outside=outside, macs=macs)
    for entries, seal in made.ranges:
        verifier.records(Trail.MESSAGES, entries)
        verifier.seal(seal)
    verifier.records(Trail.MESSAGES, made.rest)
    return verifier.finish()
