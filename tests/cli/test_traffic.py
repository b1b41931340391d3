"""What `mas tail` makes of a record: one line, in columns, as much as the terminal shows."""

import json
import time

import click
import pytest

from mas.audit import Found, Trail
from mas.cli.traffic import Traffic, as_line

WHY = "authorize: nothing grants it"
ID = "0123456789abcdef0000000000000007"
ALLOWED = {
    "sender": "author",
    "target": "scribe",
    "type": "line.write",
    "decision": "ALLOWED",
    "message_id": ID,
    "rule": "permissions[0]",
}
DENIED = ALLOWED | {
    "decision": "AUTHZ_DENIED",
    "type": "page.burn",
    "stage": "authorize",
    "rule": "",
    "reason": "author -> scribe (page.burn): nothing grants it",
}


def found(record, *, milliseconds=1_700_000_000_123, latency=23):
    return Found(Trail.MESSAGES, f"{milliseconds}-0", record | {"ingress": f"{milliseconds - latency}-0"})


def lines(*records, width=None):
    traffic = Traffic()
    return [click.unstyle(traffic.line(found(record), width)) for record in records]


def test_elsewhere_than_on_a_terminal_a_line_is_whole():
    assert lines(ALLOWED, DENIED) == [
        f"2023-11-14T22:13:20.123+00:00  author -> scribe  line.write  ALLOWED        23 ms  {ID}",
        f"2023-11-14T22:13:20.123+00:00  author -> scribe  page.burn   AUTHZ_DENIED   23 ms  {WHY}  {ID}",
    ]


def now():
    return int(time.time() * 1000)


def on_terminal(record, width):
    return click.unstyle(Traffic().line(found(record, milliseconds=now()), width))


def test_on_a_narrow_terminal_a_line_leaves_out_what_matters_least():
    assert on_terminal(ALLOWED, 80)[8:] == (
        "  author -> scribe  line.write  ALLOWED        23 ms  01234567…0007"
    )
    assert on_terminal(DENIED, 80)[8:] == "  author -> scribe  page.burn   AUTHZ_DENIED  nothing grants it"


def test_on_a_wide_terminal_a_line_has_its_ids_as_far_as_there_is_room():
    assert on_terminal(ALLOWED, 120).endswith(f"23 ms  {ID}")
    assert on_terminal(DENIED, 120).endswith(f"23 ms  {WHY}  01234567…0007")
    assert on_terminal(DENIED, 160).endswith(f"23 ms  {WHY}  {ID}")


@pytest.mark.parametrize("width", [80, 99, 100, 120])
def test_a_line_stays_within_its_terminal(width):
    long = DENIED | {"reason": "x" * 200}
    assert all(len(on_terminal(record, width)) <= width for record in (ALLOWED, DENIED, long))
    assert on_terminal(long, width).endswith("x…")


def test_columns_grow_and_never_shrink():
    longer = ALLOWED | {"sender": "a-much-longer-author"}
    first, second, third = lines(ALLOWED, longer, ALLOWED)
    assert first.index("line.write") < second.index("line.write") == third.index("line.write")


def test_one_very_long_name_does_not_move_the_others_for_ever():
    longest = ALLOWED | {"sender": "a" * 120, "type": "b" * 120}
    *_, after = lines(ALLOWED, longest, ALLOWED, width=200)
    assert len(after) < 200


@pytest.mark.parametrize(
    ("latency", "told"), [(0, "  0 ms"), (999, "999 ms"), (1500, " 1.5 s"), (90_000, "1.5 min")]
)
def test_how_long_a_message_waited_is_told_in_its_unit(latency, told):
    line = click.unstyle(Traffic().line(found(ALLOWED, latency=latency), None))
    assert f"ALLOWED       {told}" in line


def test_a_decision_has_the_colour_of_what_it_did():
    colours = {
        decision: Traffic().line(found(ALLOWED | {"decision": decision}), None).partition("\x1b[")[2][:2]
        for decision in ("ALLOWED", "DLP_REDACTED", "AUTHZ_DENIED", "something else")
    }
    assert colours == {
        "ALLOWED": "32",
        "DLP_REDACTED": "33",
        "AUTHZ_DENIED": "31",
        "something else": "31",
    }


def test_a_record_that_names_nobody_and_one_that_is_hostile_stay_on_their_lines():
    nobody, hostile = lines(
        {"decision": "MALFORMED", "reason": "its envelope does not decode"},
        ALLOWED | {"sender": "a\nb", "type": "\x1b[2J", "target": "\u202e"},
    )
    assert "? -> ?" in nobody
    assert hostile.isprintable()


def test_a_reason_comes_with_its_stage_and_rule():
    blocked = DENIED | {"rule": "permissions[3]", "reason": "author is blocked"}
    assert "authorize permissions[3]: author is blocked" in lines(blocked)[0]
    named = DENIED | {"rule": "permissions[3]", "reason": "blocked by permissions[3]"}
    assert "authorize: blocked by permissions[3]" in lines(named)[0]


def test_for_programs_a_record_is_one_object():
    told = json.loads(as_line(found(DENIED)))
    assert told == {
        "time": "2023-11-14T22:13:20.123+00:00",
        "latency": 0.023,
        "sender": "author",
        "instance": "",
        "target": "scribe",
        "type": "page.burn",
        "decision": "AUTHZ_DENIED",
        "stage": "authorize",
        "rule": "",
        "reason": "author -> scribe (page.burn): nothing grants it",
        "message_id": ID,
        "correlation_id": "",
    }
