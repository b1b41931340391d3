"""S7 on a trail that a whole system wrote: 50,000 records of four gateways, two of them killed.

Each change is looked for where it was made: the ranges around it are verified as an archive is, by
themselves, and the rest of the chain was verified untouched. A few changes of each kind are looked for in
the whole trail.
"""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import anyio
import msgspec
import pytest

from mas.audit.author import Author
from mas.audit.entry import Raw, order
from mas.audit.report import Report
from mas.audit.seal import RangeSeal, encode
from mas.audit.signing import SealKey
from mas.audit.trails import Trail, trail_key
from mas.audit.verify import Verifier
from mas.testing.server import redis_server
from tests.audit.killed import Left, leave_a_trail
from tests.audit.test_verify import KINDS, delete, reorder
from tests.world import KEYRING, KEYS

COUNT, TIMES, WHOLE = 50_000, 500, 3
MACS = {trail: trail_key(KEYRING, trail.stream(KEYS)) for trail in Trail}
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    directory = tmp_path_factory.mktemp("trail")
    with redis_server() as server:
        return anyio.run(leave_a_trail, server.url, directory, COUNT, "trio", backend="trio")


def stored(link: Any, at: int = 1) -> Raw:
    return [b"%d-0" % at, [b"seal", link.signed.body, b"signature", link.signed.signature]]


def look(left: Left, pieces: Any, *, rest: Any = (), **how: Any) -> Report:
    """Verify some ranges with their seals, and what comes after them unsealed."""
    how.setdefault("whole", False)
    verifier = Verifier(left.keys(), **how)
    for entries, link, seal in pieces:
        if isinstance(link.seal, RangeSeal):
            verifier.records(link.seal.trail, entries)
        verifier.seal(seal)
    verifier.records(Trail.MESSAGES, list(rest))
    return verifier.finish()


def test_untouched_it_verifies_and_every_decision_is_in_it(left):
    assert left.report.flaws == []
    assert left.report.exit_code == 0
    assert left.report.sealed >= COUNT
    fate = left.fate
    assert fate._replace(handled_dup=0) == (COUNT, COUNT, 0, COUNT, *[0] * 8), fate
    assert left.gateways >= 4
    assert look(left, left.seals, whole=True, outside=left.copies()).exit_code == 0


@pytest.mark.parametrize("change", KINDS)
def test_each_single_change_in_a_sealed_range_is_found_and_named(left, change):
    chance = random.Random(1)
    wide = [at for at in left.ranges() if len(left.seals[at][0]) >= 20]
    found = 0
    while found < TIMES:
        at = chance.choice(wide)
        entries, link, seal = left.seals[at]
        changed = list(entries)
        where = _make(change, changed, chance)
        if where is None:
            continue
        if found < WHOLE:
            pieces = [*left.seals[:at], (changed, link, seal), *left.seals[at + 1 :]]
            report = look(left, pieces, whole=True, outside=left.copies())
        else:
            report = look(left, [(changed, link, seal), *left.seals[at + 1 : at + 2]])
        assert report.exit_code == 1
        (flaw,) = report.flaws
        assert (flaw.trail, flaw.where) == ("messages", where), flaw
        found += 1


def _make(change: Callable[..., Any], entries: list[Raw], chance: random.Random) -> str | None:
    """Change something in the first half; return where, or None where no partner for a swap was found."""
    at = chance.randrange(1, len(entries) // 2)
    try:
        return str(change(entries, at, chance).decode())
    except StopIteration:
        return None


@pytest.mark.parametrize("change", KINDS)
def test_each_single_change_in_what_was_not_sealed_yet_is_found_by_mac_and_number(left, change):
    chance = random.Random(2)
    places = left.ranges()[:-2]
    found = 0
    while found < TIMES:
        # As the trail stood just before the next two ranges were sealed.
        at = chance.choice(places)
        later = [e for entries, link, _ in left.seals[at + 1 : at + 5] for e in _messages(entries, link)]
        rest = later[:2000]
        which = _missed_if_deleted(rest, chance)
        if which is None:
            continue
        changed = list(rest)
        where = change(changed, which, chance).decode()
        report = look(left, [left.seals[at]], rest=changed, macs=MACS)
        assert report.exit_code == 1
        if change not in {delete, reorder}:
            assert report.flaws[0].where == where, report.flaws
        assert all(order(flaw.where) >= order(rest[which - 1][0]) for flaw in report.flaws)
        found += 1


def _messages(entries: list[Raw], link: Any) -> list[Raw]:
    return entries if isinstance(link.seal, RangeSeal) and link.seal.trail is Trail.MESSAGES else []


def _missed_if_deleted(entries: list[Raw], chance: random.Random) -> int | None:
    """Choose a record whose run goes on for another commit: the last of a run leave no gap behind."""
    heads = [msgspec.json.decode(entry[1][1], type=_Head) for entry in entries]
    last = {head.run: head.commit for head in heads}
    fit = [at for at, head in enumerate(heads) if at and head.commit < last[head.run]]
    return chance.choice(fit) if fit else None


class _Head(msgspec.Struct):
    run: str
    commit: int


def test_truncation_shows_against_the_seals_outside(left):
    chance = random.Random(3)
    copies = left.copies()
    for _ in range(TIMES):
        kept = chance.randrange(len(copies) - 1)
        entries, link, _ = left.seals[kept + 1]
        cut = _messages(entries, link)[: chance.randrange(1000)]
        report = look(left, [left.seals[kept]], rest=cut, outside=copies)
        (flaw,) = report.flaws
        assert flaw.where == f"seal {left.seals[kept][1].seal.sequence}"
        assert "cut off or rolled back" in flaw.problem


def test_a_rollback_after_which_the_sealer_went_on_differs_from_the_outside(left):
    chance = random.Random(4)
    copies = left.copies()
    for _ in range(TIMES):
        kept = chance.randrange(len(copies) - 1)
        author = Author(left.key, MACS, left.seals[kept][1])
        entries = left.seals[chance.choice(left.ranges())][0]
        pieces = [left.seals[kept]]
        # Of what follows, a part is sealed anew: to the end of what the outside knows, and beyond.
        for part in (entries[:10], entries[10:20]):
            if part:
                draft = author.draft(Trail.MESSAGES)
                draft.examine(part)
                link = author.range(draft.examined(), 0.0)
                author.accept(link)
                pieces.append((part, link, stored(link)))
        report = look(left, pieces, outside=copies)
        assert f"seal {left.seals[kept + 1][1].seal.sequence}" in {flaw.where for flaw in report.flaws}


@pytest.mark.parametrize("what", ["with another key", "with the old signature"])
def test_sealing_anew_without_the_key_is_found(left, what):
    chance, stranger = random.Random(5), SealKey.new()
    wide = [at for at in left.ranges() if len(left.seals[at][0]) > 1]
    for _ in range(TIMES):
        at = chance.choice(wide)
        entries, link, seal = left.seals[at]
        fewer = list(entries)
        del fewer[chance.randrange(len(fewer))]
        before = left.seals[at - 1][1] if at else None
        author = Author(stranger if what == "with another key" else left.key, MACS, before)
        draft = author.draft(Trail.MESSAGES)
        draft.examine(fewer)
        forged = msgspec.structs.replace(author.range(draft.examined(), 0.0).seal, key=left.key.fingerprint)
        body = encode(forged)
        signature = stranger.sign(body) if what == "with another key" else link.signed.signature
        entry: Raw = [seal[0], [b"seal", body, b"signature", signature]]
        report = look(left, [(fewer, link, entry), *left.seals[at + 1 : at + 2]])
        assert f"seal {link.seal.sequence}" in {flaw.where for flaw in report.flaws}


def test_each_seal_continues_the_one_before_whoever_made_it(left):
    links = [link for _, link, _ in left.seals]
    assert all(b.seal.previous == a.signed.digest for a, b in pairwise(links))
    assert [link.seal.sequence for link in links] == list(range(1, len(links) + 1))
