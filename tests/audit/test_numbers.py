"""Numbers that were taken and not written are declared; numbers that are gone are missed."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas.audit.continuity import Continuity
from mas.audit.entry import Head, open_entries
from mas.audit.record import RUN_LIFE, Counter, read_ranges, write_ranges
from mas.audit.trails import Trail
from tests.audit.trail import MACS, record, records

SECONDS = 1_000_000.0
AT = b"1000000000-0"
KEY = MACS[Trail.MESSAGES]


def committed(counter, outcomes, *, now=SECONDS):
    """Make one commit, in which some records are written and the others are not; return the heads."""
    counter.begin_commit(now)
    numbers = [counter.take() for _ in outcomes]
    heads = [
        Head(counter.run, counter.commit, number, counter.voids)
        for number, written in zip(numbers, outcomes, strict=True)
        if written
    ]
    counter.give_back(number for number, written in zip(numbers, outcomes, strict=True) if not written)
    return heads


def told(continuity, heads, at=AT):
    """Return what is wrong with some records, looked at together."""
    return [problem for _, problem in continuity.follow([[at, []]] * len(heads), heads)]


@given(st.sets(st.integers(1, 10_000), min_size=1))
def test_ranges_are_read_as_they_were_written(numbers):
    read = {n for first, last in read_ranges(write_ranges(numbers)) for n in range(first, last + 1)}
    assert read == numbers


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=8), max_size=12))
def test_whatever_commits_leave_unwritten_no_number_is_missed(commits):
    counter, continuity = Counter("g", KEY), Continuity()
    for outcomes in commits:
        assert told(continuity, committed(counter, outcomes)) == []


@given(
    st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=3, max_size=8),
    st.integers(0, 10_000),
)
def test_whatever_commits_leave_unwritten_a_deleted_record_is_missed(commits, which):
    counter = Counter("g", KEY)
    heads = [head for outcomes in commits for head in committed(counter, outcomes)]
    heads += committed(counter, [True])
    last = heads[-1].commit
    candidates = [i for i, head in enumerate(heads) if head.commit < last]
    if not candidates:
        return
    del heads[candidates[which % len(candidates)]]
    assert told(Continuity(), heads)


def test_a_commit_of_which_nothing_was_written_uses_its_numbers_again():
    counter = Counter("g", KEY)
    first = committed(counter, [True, True])
    assert committed(counter, [False, False]) == []
    assert [head.count for head in [*first, *committed(counter, [True])]] == [1, 2, 3]


def test_what_a_lost_commit_declared_is_declared_again():
    counter = Counter("g", KEY)
    committed(counter, [True, False, True])
    assert committed(counter, [False]) == []
    (head,) = committed(counter, [True])
    assert head.voids == "2"
    (head,) = committed(counter, [True])
    assert head.voids == ""


def test_zero_stands_for_no_record_and_is_no_number():
    counter = Counter("g", KEY)
    committed(counter, [True])
    counter.give_back([0])
    assert committed(counter, [True])[0].voids == ""


def test_a_run_lasts_a_day_and_a_copy_of_it_is_known_for_one_after_that():
    counter = Counter("g", KEY)
    (old,) = committed(counter, [True], now=SECONDS)
    (new,) = committed(counter, [True], now=SECONDS + RUN_LIFE)
    assert (old.run != new.run, new.count) == (True, 1)
    continuity = Continuity()
    assert told(continuity, [old]) == []
    later = Continuity(continuity.state(SECONDS + 2 * RUN_LIFE))
    assert later.state(0) == {}
    (problem,) = told(later, [old], b"%d-0" % (int(SECONDS + 2 * RUN_LIFE) * 1000))
    assert "copy of an old record" in problem


@pytest.mark.parametrize("voids", ["x", "1-", "1-x", "-", "1,,2"])
def test_a_declaration_that_does_not_decode_is_named(voids):
    heads = [Head("000f4240aaaaaaaa", 1, 1), Head("000f4240aaaaaaaa", 3, 3, voids)]
    (problem,) = told(Continuity(), heads)
    assert "does not decode" in problem


def test_a_huge_declaration_costs_nothing():
    assert told(Continuity(), [Head("000f4240aaaaaaaa", 10**15, 10**15, f"1-{10**15 - 1}")]) == []


def test_each_record_opens_with_its_trails_key_only():
    entries = records(50)
    assert all(isinstance(head, Head) for head in open_entries(entries, KEY))
    assert all("MAC" in str(head) for head in open_entries(entries, MACS[Trail.SECURITY]))


def test_a_record_says_whom_it_is_about_and_nothing_of_the_payload():
    counter = Counter("g", KEY)
    counter.begin_commit(SECONDS)
    written = record(counter, counter.take(), random.Random(1))
    body = msgspec.json.decode(counter.fields(written)[1])
    assert set(body) <= {field.name for field in msgspec.structs.fields(written)}
    assert "payload" not in body
