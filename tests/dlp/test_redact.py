"""Masks and tokens: the payload that is delivered instead."""

import json

import pytest

from mas.dlp import Action, Policy, Scanner
from mas.dlp.classes import CLASSES
from tests.dlp.corpus import corpus


def redacted(scanner: Scanner, value: object) -> object:
    verdict = scanner.scan(json.dumps(value).encode())
    assert verdict.action is Action.REDACT
    assert verdict.redacted is not None
    return json.loads(verdict.redacted)


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ({"t": "SSN 536-90-4399."}, {"t": "SSN ***-**-4399."}),
        ({"ssn": 536904399}, {"ssn": "*****4399"}),
        ({"536-90-4399": 1, "ok": True}, {"***-**-4399": 1, "ok": True}),
        ({"536-90-4399": 1, "537-90-4399": 2}, {"***-**-4399": 1, "***-**-4399*": 2}),
        (["MRN 483920", None, 1.5], ["MRN ******", None, 1.5]),
        ({"iban": "DE89370400440532013000"}, {"iban": "******************3000"}),
        ({"a": "DOB: 04/12/1980, MRN 483920"}, {"a": "DOB: **/**/****, MRN ******"}),
        ("ＳＳＮ ５３６-９０-４３９９", "ＳＳＮ ***-**-****"),
    ],
)
def test_mask_keeps_the_format(scanner: Scanner, value: object, masked: object):
    assert redacted(scanner, value) == masked


def test_what_is_only_alerted_is_delivered_as_it_is(scanner: Scanner):
    after = redacted(scanner, {"mail": "ann@acme.io", "ssn": "536-90-4399"})
    assert after == {"mail": "ann@acme.io", "ssn": "***-**-4399"}


def test_tokens_are_stable_and_keyed():
    policy = Policy(redaction="token")
    first, second = Scanner(policy, key=b"0123456789abcdef"), Scanner(policy, key=b"fedcba9876543210")
    value = {"a": "SSN 536-90-4399", "b": "ssn 536 90 4399"}
    after = redacted(first, value)
    assert isinstance(after, dict)
    assert after["a"].removeprefix("SSN ") == after["b"].removeprefix("ssn ")
    assert after["a"].startswith("SSN [ssn:")
    assert redacted(second, value) != after


def test_nothing_redacted_is_left_to_find():
    scanner = Scanner(Policy(actions=dict.fromkeys(CLASSES, Action.REDACT)))
    for sample in corpus("tuning", each=1):
        verdict = scanner.scan(json.dumps({"body": sample.text}).encode())
        if verdict.redacted is not None:
            again = scanner.scan(verdict.redacted)
            assert {f.kind for f in again.findings} & {f.kind for f in verdict.findings} == set(), (
                sample.label
            )


def test_a_redacted_payload_keeps_its_shape(scanner: Scanner):
    value = {"ssn": "536-90-4399", "n": [1, 2.5, None, True, {"k": "ü"}], "": ""}
    after = redacted(scanner, value)
    assert after == {**value, "ssn": "***-**-4399"}
