"""Judging a payload: what is looked at, what is found where, and what cannot be judged."""

# ruff: noqa: E501 - a table is read by its rows

import base64
import gzip
import json

import pytest

from mas.dlp import CLEAN, Action, Policy, Scanner


def kinds(verdict):
    return {finding.kind for finding in verdict.findings}


def payload(value):
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "value",
    [
        "hello",
        12,
        None,
        True,
        [],
        {},
        {"hello": "world", "n": 1},
        {"text": 'two\nlines "quoted" and a/path'},
        "naïve café",
        1e3,
    ],
)
def test_clean_payload_gets_the_one_clean_verdict(scanner: Scanner, value: object):
    assert scanner.scan(payload(value)) is CLEAN


@pytest.mark.parametrize(
    ("value", "kind", "path"),
    [
        ({"ssn": 536904399}, "ssn", "$.ssn"),
        ({"userSSN": "536904399"}, "ssn", "$.userSSN"),
        ({"customer": {"ssn": {"value": "536904399"}}}, "ssn", "$.customer.ssn.value"),
        ({"type": "ssn", "value": "536904399"}, "ssn", "$.value"),
        ({"homePhone": "2125550142"}, "phone", "$.homePhone"),
        ({"phone": 2125550142}, "phone", "$.phone"),
        ({"rows": [1, [{"card": "4111111111111111"}]]}, "credit_card", "$.rows[1][0].card"),
        ({"card": 4111111111111111}, "credit_card", "$.card"),
        ({"card": 4111111111111111.0}, "credit_card", "$.card"),
        ({"ann@acme.io": 1}, "email", "$.<email>~"),
        ({"536-90-4399": "x"}, "ssn", "$.<ssn>~"),
        ({"patient": {"mrn": 483920}}, "mrn", "$.patient.mrn"),
        ({"patient_id": "4829103"}, "mrn", "$.patient_id"),
        ({"dateOfBirth": "1980-04-12"}, "date_of_birth", "$.dateOfBirth"),
        ({"user": {"password": "correct horse battery staple"}}, "password", "$.user.password"),
        ({"dbPassword": "sunshine"}, "password", "$.dbPassword"),
        ({"clientSecret": "Zx8Qw3Er5Ty7Ui9Op1As"}, "secret", "$.clientSecret"),
        ({"apiKey": "Zx8Qw3Er5Ty7Ui9Op1As"}, "api_key", "$.apiKey"),
        ({"card": {"cvv": "123"}}, "cvv", "$.card.cvv"),
        ({"passportNumber": "512345678"}, "passport", "$.passportNumber"),
        ({"npi": 1234567893}, "npi", "$.npi"),
        ({"diagnosis": "E11.9"}, "icd10", "$.diagnosis"),
        ({"bank": {"account_number": "000123456789"}}, "bank_account", "$.bank.account_number"),
        ("536-90-4399", "ssn", "$"),
        (["a", "536-90-4399"], "ssn", "$[1]"),
        ({"a b": "536-90-4399"}, "ssn", "$['a b']"),
        ({"note": "line one\n536-90-4399\nline three"}, "ssn", "$.note"),
        ({"nested": json.dumps({"password": "hunter2!x"})}, "password", "$.nested"),
        ({"kty": "RSA", "d": "X4cTteJY_gn4FYPsXB8rdXix5vwsg1FLN5E3EaG6RJoVH-HLLKD9M7dx5oo7GURknc"}, "private_key", "$.d"),
    ],
)  # fmt: skip
def test_keys_numbers_and_nesting_count(scanner: Scanner, value: object, kind: str, path: str):
    assert (kind, path) in {(finding.kind, finding.path) for finding in scanner.scan(payload(value)).findings}


@pytest.mark.parametrize(
    "raw",
    [
        rb'{"t":"\u0035\u0033\u0036-90-4399"}',
        rb'{"t":"536\u002d90\u002d4399"}',
        rb'{"t":"\t536-90-4399\n"}',
        rb'{"t":"\"536-90-4399\""}',
        rb'{"\u0073sn":"536904399"}',
        b'  { "t" :\n "536-90-4399" }  ',
    ],
)
def test_json_escapes_hide_nothing(scanner: Scanner, raw: bytes):
    assert "ssn" in kinds(scanner.scan(raw))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("postgres://ann@acme.io:hunter2@db.acme.io:5432/app", "db_url"),
        ("DATABASE_URL=postgres://app:s3cr3t@db:5432/app password=s3cr3t://", "db_url"),
        ("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U", "jwt"),
        ("password=AKIAQ2W3E4R5T6Y7U8I9", "aws_key"),
        ("api_key=sk_live_4eC39HqLyjWDarjtT1zdp7dc", "api_key"),
        ("client_secret=ghp_16C7e42F292c6912E7710c838347Ae178B4a", "api_key"),
        ("IBAN IT60 X054 2811 1010 0000 0123 456", "iban"),
    ],
)  # fmt: skip
def test_of_overlapping_finds_the_most_specific_stays(scanner: Scanner, text: str, kind: str):
    first = scanner.scan_text(text).findings[0]
    assert first.kind == kind
    assert all(other.start >= first.end for other in scanner.scan_text(text).findings[1:])


def test_offsets_count_characters_of_the_text(scanner: Scanner):
    text = "Größe: 5 — SSN 536-90-4399 und 😀 ann@acme.io"
    found = {text[finding.start : finding.end] for finding in scanner.scan_text(text).findings}
    assert found == {"536-90-4399", "ann@acme.io"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("téléphone : 01 23 45 67 89", "phone"),
        ("née le 12/04/1980", "date_of_birth"),
        ("contraseña: Tr0ub4dor!3", "password"),
        ("Führerschein Nr. B072RRE2I55", "drivers_license"),
        ("536│90│4399", "ssn"),
        ("电话13812345678号, SSN 536-90-4399号", "ssn"),
        ("boîte postale 1234", "postal_address"),
    ],
)
def test_accents_and_neighbours_of_other_scripts_hide_nothing(scanner: Scanner, text: str, kind: str):
    assert kind in kinds(scanner.scan_text(text))
    assert kind in kinds(scanner.scan(json.dumps({"t": text}, ensure_ascii=False).encode()))
    assert kind in kinds(scanner.scan(json.dumps({"t": text}).encode()))


@pytest.mark.parametrize(
    "text", ["I’ll be there — “soon” • maybe… 😀", "Привет, как дела?", "会議は3時です", "Größe: 5 × 10 €"]
)
def test_typography_and_other_scripts_are_clean_without_a_closer_look(scanner: Scanner, text: str):
    assert scanner._is_clean(json.dumps(text, ensure_ascii=False).encode())


def test_two_cards_side_by_side_are_two_findings(scanner: Scanner):
    verdict = scanner.scan_text("4111111111111111 5555555555554444")
    assert [(finding.start, finding.end) for finding in verdict.findings] == [(0, 16), (17, 33)]


def test_a_number_that_is_no_card_does_not_hide_its_neighbour(scanner: Scanner):
    verdict = scanner.scan_text("4111111111111112 5555555555554444 1234 5678 4111 1111 1111 1111")
    assert [(finding.start, finding.end) for finding in verdict.findings] == [(17, 33), (44, 63)]


def test_strictest_action_wins_and_the_milder_findings_are_reported(scanner: Scanner):
    verdict = scanner.scan(
        payload({"mail": "ann@acme.io", "ssn": "536-90-4399", "pw": "password: hunter2!x"})
    )
    assert verdict.action is Action.BLOCK
    assert kinds(verdict) == {"email", "ssn", "password"}
    assert verdict.redacted is None


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"ssn":"536-90-4399","ssn":"x"}', "duplicate keys"),
        (b'{"a":"536-90-4399","b":NaN}', "number"),
        (b'{"a":"536-90-4399","b":1e999}', "number"),
        (b'{"a":"536-90-4399"', "not valid JSON"),
        (b'"536-90-4399 \xff"', "UTF-8"),
        (b'{"a":"536-90-4399","b":' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'["536-90-4399",' + b"[" * 200 + b"]" * 200 + b"]", "nested"),
        (b'["536-90-4399",' + b"[" * 100_000 + b"]" * 100_000 + b"]", "nested"),
    ],
)
def test_what_cannot_be_judged_is_refused(scanner: Scanner, raw: bytes, why: str):
    verdict = scanner.scan(raw)
    assert verdict.action is Action.BLOCK
    assert why in verdict.refusal
    assert "536" not in verdict.refusal


def test_too_large_a_payload_is_refused():
    verdict = Scanner(Policy(max_bytes=100)).scan(b'"' + b"x" * 100 + b'"')
    assert verdict.action is Action.BLOCK
    assert "size budget" in verdict.refusal
    assert "size budget" in Scanner(Policy(max_bytes=100)).scan_text("x" * 101).refusal


def test_too_slow_a_payload_is_refused():
    scanner = Scanner(Policy(max_milliseconds=0.001))
    assert "time budget" in scanner.scan(payload(["ann@acme.io"] * 1000)).refusal
    assert "time budget" in scanner.scan_text("ann@acme.io " * 1000).refusal


def test_wrapping_does_not_multiply_work_beyond_the_budget():
    bomb = base64.b64encode(gzip.compress(b"a b " * 100_000)).decode()
    verdict = Scanner(Policy(max_milliseconds=200)).scan(payload([bomb] * 500))
    assert verdict is CLEAN or "time budget" in verdict.refusal


def test_lone_surrogates_are_no_way_out(scanner: Scanner):
    verdict = scanner.scan(rb'{"a":"\ud800 536-90-4399"}')
    assert kinds(verdict) == {"ssn"}
    assert verdict.redacted is not None
    assert json.loads(verdict.redacted) == {"a": "\ud800 ***-**-4399"}


def test_reason_names_classes_and_paths_only(scanner: Scanner):
    verdict = scanner.scan(payload({"user": {"ssn": "536-90-4399"}, "mail": "ann@acme.io"}))
    assert verdict.reason == "ssn at $.user.ssn; email at $.mail"
    assert CLEAN.reason == ""


def test_same_value_has_the_same_digest_however_it_is_grouped(scanner: Scanner):
    first, second = scanner.scan_text("SSN 536-90-4399"), scanner.scan_text("ssn: 536 90 4399")
    assert first.findings[0].digest == second.findings[0].digest
    assert Scanner().scan_text("SSN 536-90-4399").findings[0].digest != first.findings[0].digest


def test_a_short_key_is_no_key():
    with pytest.raises(ValueError, match="16 bytes"):
        Scanner(key=b"short")
