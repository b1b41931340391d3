"""Scanning and scoring line by line, as the command line does."""

import json

import pytest

from mas.dlp import Policy, Scanner, Scores, run_scan_lines, score
from mas.dlp.score import Tally, wilson


def test_each_line_gets_its_verdict_in_order(scanner: Scanner):
    lines: list[str | bytes] = [
        '{"text": "SSN 536-90-4399"}\n',
        '"hello"\n',
        "\n",
        b'{"ssn": 536904399}\n',
        "plain text with ann@acme.io\n",
        '{"id": 7, "text": "card 4111111111111111", "other": "ann@acme.io"}',
        "[" * 100_000,
        '{"text": "x", "text": "536-90-4399"}',
    ]
    results = [json.loads(line) for line in run_scan_lines(lines, scanner)]
    assert [result["action"] for result in results] == [
        "REDACT",
        None,
        "REDACT",
        "ALERT",
        "BLOCK",
        "BLOCK",
        "REDACT",
    ]
    assert results[0]["findings"] == [
        {"class": "ssn", "start": 4, "end": 15, "path": "$", "confidence": 0.98}
    ]
    assert results[2]["findings"][0]["path"] == "$.ssn"
    assert [finding["class"] for finding in results[4]["findings"]] == ["credit_card"]
    assert "nested" in results[5]["refusal"]


def test_lines_are_scanned_one_at_a_time(scanner: Scanner):
    lines = iter(['"SSN 536-90-4399"', "unread"])
    assert json.loads(next(run_scan_lines(lines, scanner)))["action"] == "REDACT"
    assert next(lines) == "unread"


def test_scores_count_texts_by_class(scanner: Scanner):
    scores = score(
        [
            {"text": "SSN 536-90-4399", "label": "ssn"},
            {"text": "ann@acme.io and SSN 536-90-4399", "labels": ["ssn", "email"]},
            {"text": "nothing here", "label": "ssn"},
            '{"text": "hello", "label": null}\n',
            b'{"text": "ann@acme.io", "label": "clean"}',
            {"text": {"ssn": 536904399}, "label": ["ssn"]},
            "",
        ],
        scanner,
    )
    assert scores.classes == {"ssn": Tally(3, 0, 1), "email": Tally(1, 1, 0)}
    assert (scores.clean, scores.flagged) == (2, 1)
    assert scores.micro == Tally(4, 1, 1)
    shown = scores.as_dict()
    assert shown["micro"]["precision"] == 0.8
    assert shown["classes"]["ssn"]["recall"] == 0.75
    low, high = shown["classes"]["ssn"]["recall_interval"]
    assert low < 0.75 < high
    assert "| ssn | 4 |" in scores.table()
    assert "1 of 2 = 50.0%" in scores.table()


@pytest.mark.parametrize("record", [{"text": "x"}, {"label": "ssn"}, "[1]"])
def test_a_record_without_text_or_label_is_named(record):
    with pytest.raises(ValueError, match="record 2"):
        score([{"text": "x", "label": None}, record])


def test_a_refused_text_counts_as_flagged():
    scores = score([{"text": "x" * 20, "label": None}], Scanner(Policy(max_bytes=10)))
    assert scores.flagged == 1


def test_nothing_scored_is_neither_right_nor_wrong():
    assert Scores({}, 0, 0).clean_flagged == 0
    assert Tally().precision == Tally().recall == Tally().f1 == 1


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"), [(0, 0, 0, 1), (10, 10, 0.722, 1), (50, 100, 0.404, 0.596)]
)
def test_wilson_interval(successes: int, trials: int, low: float, high: float):
    assert wilson(successes, trials) == pytest.approx((low, high), abs=0.001)
