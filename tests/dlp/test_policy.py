"""What a deployment wants: actions, targets, roles, allow lists, patterns of its own."""

# ruff: noqa: E501 - a table is read by its rows

import hashlib
import json

import cattrs
import pytest

from mas.dlp import CLASSES, DEFAULT_ACTIONS, Action, Allow, CustomPattern, Policy, Scanner

SSN = b'{"ssn":"536-90-4399"}'


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("credit_card", Action.BLOCK), ("private_key", Action.BLOCK), ("api_key", Action.BLOCK), ("password", Action.BLOCK),
        ("ssn", Action.REDACT), ("mrn", Action.REDACT), ("bank_account", Action.REDACT), ("iban", Action.REDACT),
        ("email", Action.ALERT), ("phone", Action.ALERT), ("icd10", Action.ALERT),
    ],
)  # fmt: skip
def test_defaults_are_as_documented(kind: str, action: Action):
    assert DEFAULT_ACTIONS[kind] is action


def test_every_class_has_a_default():
    assert tuple(DEFAULT_ACTIONS) == CLASSES


@pytest.mark.parametrize(
    ("target", "roles", "action"),
    [
        ("anyone", (), Action.REDACT),
        ("billing-7", (), None),
        ("anyone", ("auditor",), Action.ALERT),
        ("billing-7", ("auditor",), Action.ALERT),
        ("billing-7", ("auditor", "intern"), Action.BLOCK),
        ("anyone", ("unknown",), Action.REDACT),
    ],
)
def test_targets_and_roles_replace_the_action_and_the_strictest_of_them_decides(target, roles, action):
    policy = Policy(
        targets={"billing-*": {"ssn": None}},
        roles={"auditor": {"ssn": Action.ALERT}, "intern": {"ssn": Action.BLOCK}},
    )
    verdict = Scanner(policy).scan(SSN, target=target, roles=roles)
    assert verdict.action is action
    assert [finding.kind for finding in verdict.findings] == ["ssn"]


def test_an_action_is_set_by_class():
    assert Scanner(Policy(actions={"ssn": Action.BLOCK})).scan(SSN).action is Action.BLOCK


def test_allowed_values_paths_and_senders_are_let_pass():
    key = b"0123456789abcdef"
    digest = Scanner(key=key).scan(SSN).findings[0].digest
    bare = hashlib.sha256(b"536904399").hexdigest()
    assert Scanner(Policy(allow=Allow(values=[digest])), key=key).scan(SSN).action is None
    assert Scanner(Policy(allow=Allow(values=[f"sha256:{bare}"]))).scan(SSN).action is None
    assert Scanner(Policy(allow=Allow(paths=["$.ssn"]))).scan(SSN).action is None
    assert (
        Scanner(Policy(allow=Allow(paths=["$.rows[*].id"]))).scan(b'{"rows":[{"id":"536-90-4399"}]}').action
        is None
    )
    assert Scanner(Policy(allow=Allow(paths=["$.rows[*].id"]))).scan(SSN).action is Action.REDACT
    assert Scanner(Policy(allow=Allow(senders=["payroll"]))).scan(SSN, sender="payroll").action is None
    assert Scanner(Policy(allow=Allow(senders=["payroll"]))).scan(SSN, sender="other").action is Action.REDACT


def test_policy_is_structured_from_settings():
    converter = cattrs.Converter(forbid_extra_keys=True)
    policy = converter.structure(
        {
            "actions": {"email": "block", "phone": None},
            "targets": {"crm": {"email": "ALERT"}},
            "roles": {"admin": {"password": "alert"}},
            "custom": [
                {"name": "badge", "pattern": r"\bB-\d{6}\b", "action": "redact", "must_match": ["B-123456"]}
            ],
            "allow": {"paths": ["$.id"], "senders": ["a"]},
            "redaction": "token",
            "max_bytes": 65536,
            "max_milliseconds": 50,
        },
        Policy,
    )
    assert policy.actions == {"email": Action.BLOCK, "phone": None}
    assert policy.custom[0].action is Action.REDACT
    assert Scanner(policy).scan(b'"badge B-654321"').action is Action.REDACT
    with pytest.raises(cattrs.ClassValidationError):
        converter.structure({"action": {}}, Policy)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"actions": {"sssn": Action.BLOCK}}, "there is no class 'sssn'"),
        ({"targets": {"x": {"nope": Action.BLOCK}}}, "targets.x"),
        ({"roles": {"x": {"nope": None}}}, "roles.x"),
        ({"redaction": "hide"}, "mask"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"max_milliseconds": -1}, "max_milliseconds"),
        ({"min_confidence": 2}, "min_confidence"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(arguments, problem):
    with pytest.raises(ValueError, match=problem):
        Policy(**arguments)


def test_an_allowed_value_must_be_a_hash():
    with pytest.raises(ValueError, match="hash") as caught:
        Allow(values=["536-90-4399"])
    assert "536" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"name": "ssn", "pattern": "x"}, "a class already"),
        ({"name": "Bad Name", "pattern": "x"}, "cannot name a class"),
        ({"name": "a", "pattern": "("}, "not valid RE2"),
        ({"name": "a", "pattern": r"(?=x)"}, "not valid RE2"),
        ({"name": "a", "pattern": "x*"}, "empty text"),
        ({"name": "a", "pattern": "x", "validator": "nope"}, "no validator"),
        ({"name": "a", "pattern": "x", "validator": "os.path"}, "no validator"),
        ({"name": "a", "pattern": "x+", "must_match": ["xx", "yy"]}, "does not match its example 2"),
        ({"name": "a", "pattern": "x+", "must_not_match": ["ax"]}, "matches its example 1"),
    ],
)
def test_a_custom_pattern_is_tried_when_it_is_loaded(arguments, problem):
    with pytest.raises(ValueError, match=problem):
        CustomPattern(**arguments)


def test_two_custom_patterns_need_two_names():
    with pytest.raises(ValueError, match="two custom patterns"):
        Policy(custom=[CustomPattern("a", "x"), CustomPattern("a", "y")])


def test_custom_pattern_uses_validator_context_and_group():
    pattern = CustomPattern(
        "loyalty",
        r"\b(?P<v>\d{10})\b",
        Action.BLOCK,
        validator="luhn",
        context=["loyalty", "member"],
        must_match=["loyalty 1234567897"],
        must_not_match=["loyalty 1234567890", "number 1234567897"],
    )
    scanner = Scanner(Policy(custom=[pattern]))
    verdict = scanner.scan(json.dumps({"n": "loyalty card 1234567897"}).encode())
    assert (verdict.action, verdict.findings[0].kind) == (Action.BLOCK, "loyalty")
    assert scanner.scan(b'{"loyalty": 1234567897}').findings[0].path == "$.loyalty"


def test_custom_pattern_sees_text_behind_json_escapes():
    scanner = Scanner(Policy(custom=[CustomPattern("project", r"\bZEPHYR\b", Action.BLOCK)]))
    for raw in (
        rb'"a\nZEPHYR"',
        rb'"\"ZEPHYR\""',
        rb'"\u005aEPHYR"',
        rb'"a\\nZEPHYR"',
        '"ＺＥＰＨＹＲ"'.encode(),
    ):
        assert scanner.scan(raw).action is Action.BLOCK


def test_custom_pattern_may_confirm_by_python_stdnum():
    pattern = CustomPattern(
        "isbn",
        r"\b97[89]\d{10}\b",
        validator="isbn",
        must_match=["9780306406157"],
        must_not_match=["9780306406158"],
    )
    assert Scanner(Policy(custom=[pattern])).scan(b'"9780306406157"').findings[0].kind == "isbn"
