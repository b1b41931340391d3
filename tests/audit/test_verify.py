"""S7: whatever is changed in a trail shows, and where."""

import os
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from mas.audit.entry import Raw, order
from mas.audit.seal import encode, sealed_of
from mas.audit.signing import PublicKeys, SealKey
from mas.audit.trails import Trail
from tests.audit.trail import MACS, Made, records, sealed, verified

LONG = bool(os.environ.get("MAS_TEST_LONG"))
SIZE, EACH, UNSEALED, TIMES = (50_000, 1000, 5000, 500) if LONG else (3000, 100, 600, 40)
pytestmark = pytest.mark.timeout(3600 if LONG else 120)


@pytest.fixture(scope="module")
def made() -> Made:
    return sealed(records(SIZE), each=EACH, unsealed=UNSEALED)


def altered(entry: Raw) -> Raw:
    body = entry[1][1].replace(b'"decision":"', b'"decision":"X', 1)
    return [entry[0], [b"record", body, b"mac", entry[1][3]]]


def edit(entries: list[Raw], at: int, _: random.Random) -> Any:
    entries[at] = altered(entries[at])
    return entries[at][0]


def edit_mac(entries: list[Raw], at: int, _: random.Random) -> Any:
    entry_id, fields = entries[at]
    entries[at] = [entry_id, [*fields[:3], fields[3][::-1]]]
    return entry_id


def delete(entries: list[Raw], at: int, _: random.Random) -> Any:
    del entries[at]
    return entries[at][0]


def insert(entries: list[Raw], at: int, _: random.Random) -> Any:
    ms, sequence = order(entries[at][0])
    entries.insert(at + 1, [b"%d-%d" % (ms, sequence + 100_000), altered(entries[at])[1]])
    return entries[at + 1][0]


def duplicate(entries: list[Raw], at: int, chance: random.Random) -> Any:
    ms, sequence = order(entries[at][0])
    entries.insert(at + 1, [b"%d-%d" % (ms, sequence + 100_000), entries[chance.randrange(at + 1)][1]])
    return entries[at + 1][0]


def reorder(entries: list[Raw], at: int, _: random.Random) -> Any:
    """Swap two records of one run, so that each number stands where the other stood."""
    run = msgspec.json.decode(entries[at][1][1])["run"]
    other = next(
        i for i in range(at + 1, len(entries)) if msgspec.json.decode(entries[i][1][1])["run"] == run
    )
    entries[at], entries[other] = [entries[at][0], entries[other][1]], [entries[other][0], entries[at][1]]
    return entries[at][0]


KINDS: list[Callable[[list[Raw], int, random.Random], Any]] = [
    edit,
    edit_mac,
    delete,
    insert,
    duplicate,
    reorder,
]


def test_the_untouched_trail_verifies(made):
    report = verified(made, outside=made.copies())
    assert report.flaws == []
    assert (report.sealed, report.unsealed, report.outside) == (SIZE - UNSEALED, UNSEALED, 2)
    assert report.exit_code == 0


def test_without_a_seal_from_outside_the_untouched_trail_is_intact_with_a_reserve(made):
    assert verified(made).exit_code == 3


@pytest.mark.parametrize("change", KINDS)
def test_each_single_change_in_a_sealed_range_is_found_with_the_public_key_alone(made, change):
    chance = random.Random(1)
    for _ in range(TIMES):
        which, at = chance.randrange(len(made.ranges)), chance.randrange(1, EACH // 2)
        ranges = list(made.ranges)
        entries = list(ranges[which][0])
        where = change(entries, at, chance)
        ranges[which] = (entries, ranges[which][1])
        report = verified(made._replace(ranges=ranges), macs=None)
        assert report.exit_code == 1
        (flaw,) = report.flaws
        assert (flaw.trail, flaw.where) == ("messages", where.decode()), flaw


@pytest.mark.parametrize("change", KINDS)
def test_each_single_change_among_the_unsealed_is_found_by_mac_and_number(made, change):
    chance = random.Random(2)
    for _ in range(TIMES):
        rest = list(made.rest)
        # Its run goes on for another commit at least: the last of a run leave no gap behind.
        at = chance.randrange(1, UNSEALED // 2)
        where = change(rest, at, chance)
        report = verified(made._replace(rest=rest))
        assert report.exit_code == 1
        if change not in {delete, reorder}:
            assert report.flaws[0].where == where.decode(), report.flaws
        assert all(order(flaw.where) >= order(rest[at - 1][0]) for flaw in report.flaws)


def test_a_deleted_unsealed_record_is_missed_by_the_next_commit_of_its_gateway(made):
    rest = list(made.rest)
    gone = msgspec.json.decode(rest.pop(100)[1][1])
    (flaw,) = verified(made._replace(rest=rest)).flaws
    assert f"number {gone['count']} is gone from run {gone['run']}" in flaw.problem
    here = next(e for e in rest if e[0].decode() == flaw.where)
    assert msgspec.json.decode(here[1][1])["run"] == gone["run"]


def test_truncation_shows_against_a_seal_from_outside_and_only_then(made):
    chance = random.Random(3)
    for _ in range(TIMES):
        kept = chance.randrange(0, len(made.ranges))
        cut = made._replace(ranges=made.ranges[:kept], rest=[])
        assert verified(cut).intact
        (flaw,) = verified(cut, outside=made.copies()).flaws
        assert flaw.where == (f"seal {kept}" if kept else "the beginning")


def test_a_rollback_in_which_other_records_were_sealed_differs_from_the_outside(made):
    """Restored from an older copy, the sealer went on: another chain stands where the outside knows one."""
    chance = random.Random(4)
    for _ in range(TIMES):
        kept = chance.randrange(0, len(made.ranges) - 1)
        flat = [entry for entries, _ in made.ranges[: kept + 1] for entry in entries][
            : EACH * kept + EACH // 2
        ]
        later = sealed(flat, each=EACH, key=made.key)
        report = verified(later, outside=made.copies())
        assert report.exit_code == 1


@pytest.mark.parametrize("what", ["records", "everything"])
def test_sealing_anew_without_the_key_is_found(made, what):
    chance, stranger = random.Random(5), SealKey.new()
    for _ in range(TIMES):
        which = chance.randrange(len(made.ranges))
        entries = [*made.ranges[which][0]]
        del entries[chance.randrange(len(entries))]
        link = sealed_of(made.ranges[which][1])
        assert link is not None
        forged = sealed(entries, each=EACH, key=stranger) if what == "everything" else None
        if forged is not None:
            body, signature = forged.ranges[0][1][1][1], forged.ranges[0][1][1][3]
        else:
            body = encode(msgspec.structs.replace(link.seal, count=len(entries)))
            signature = stranger.sign(body)
        ranges = list(made.ranges)
        ranges[which] = (entries, [ranges[which][1][0], [b"seal", body, b"signature", signature]])
        report = verified(made._replace(ranges=ranges), macs=None)
        number = 1 if what == "everything" else which + 1
        assert f"seal {number}" in {flaw.where for flaw in report.flaws}


@pytest.mark.parametrize("change", ["edit", "delete", "swap", "signature"])
def test_each_change_of_the_chain_itself_is_found(made, change):
    chance = random.Random(6)
    for _ in range(TIMES):
        at = chance.randrange(1, len(made.ranges) - 1)
        ranges = list(made.ranges)
        entries, (seal_id, fields) = ranges[at]
        if change == "edit":
            fields = [b"seal", fields[1].replace(b'"count":', b'"count":1', 1), *fields[2:]]
            ranges[at] = (entries, [seal_id, fields])
        elif change == "signature":
            ranges[at] = (entries, [seal_id, [*fields[:3], made.ranges[0][1][1][3]]])
        elif change == "delete":
            del ranges[at]
        else:
            ranges[at], ranges[at + 1] = ranges[at + 1], ranges[at]
        assert verified(made._replace(ranges=ranges)).exit_code == 1


def test_a_chain_that_begins_in_the_middle_without_a_trim_is_broken(made):
    report = verified(made._replace(ranges=made.ranges[3:]))
    assert "seal 4" in {flaw.where for flaw in report.flaws}


def test_a_record_of_another_trail_or_deployment_does_not_pass(made):
    foreign = {**MACS, Trail.MESSAGES: MACS[Trail.SECURITY]}
    report = verified(made, macs=foreign)
    assert len(report.flaws) + report.more_flaws >= UNSEALED


def test_a_key_that_hands_over_is_followed_and_one_that_does_not_is_not(made):
    successor = SealKey.new()
    link = made.author.hand_over(0.0, successor)
    stored: Raw = [b"999999-0", [b"seal", link.signed.body, b"signature", link.signed.signature]]
    later = made.author.__class__(successor, MACS, link)
    draft = later.draft(Trail.MESSAGES)
    draft.examine(made.rest)
    last = later.range(draft.examined(), 0.0)
    tail: Raw = [b"9999999-0", [b"seal", last.signed.body, b"signature", last.signed.signature]]
    handed = made._replace(ranges=[*made.ranges, ([], stored), (made.rest, tail)], rest=[])
    assert verified(handed).intact
    without = made._replace(ranges=[*made.ranges, (made.rest, tail)], rest=[])
    assert not verified(without).intact
    assert not verified(without, public=PublicKeys([made.key.public, successor.public])).intact
