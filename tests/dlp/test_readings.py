"""Disguises: how much is caught of what was written so as not to be."""

import json

import pytest

from mas.dlp import Scanner
from mas.dlp.fold import fold
from tests.dlp.disguises import DISGUISES, FOR_ADDRESSES, FOR_DIGITS

VALUES = {
    "ssn": ("536-90-4399", "SSN {}"),
    "credit_card": ("4111 1111 1111 1111", "card {}"),
    "email": ("bob.smith@acme.com", "mail {}"),
    "iban": ("GB82 WEST 1234 5698 7654 32", "IBAN {}"),
    "api_key": ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "use {}"),
    "aws_key": ("AKIAQ2W3E4R5T6Y7U8I9", "use {}"),
    "phone": ("+1 212-555-0142", "call {}"),
    "db_url": ("postgres://app:s3cr3t@db:5432/app", "{}"),
}
CASES = [
    (kind, name)
    for kind in VALUES
    for name in (
        *DISGUISES,
        *(FOR_DIGITS if kind in {"ssn", "credit_card"} else ()),
        *(FOR_ADDRESSES if kind == "email" else ()),
    )
]


def disguised(kind: str, name: str) -> str:
    value, frame = VALUES[kind]
    return frame.format({**DISGUISES, **FOR_DIGITS, **FOR_ADDRESSES}[name](value))


def is_caught(scanner: Scanner, kind: str, name: str) -> bool:
    text = disguised(kind, name)
    verdicts = (
        scanner.scan_text(text),
        scanner.scan(json.dumps({"note": text}).encode()),
        scanner.scan(json.dumps({"note": text}, ensure_ascii=False).encode()),
    )
    return all(kind in {finding.kind for finding in verdict.findings} for verdict in verdicts)


def test_at_least_nine_in_ten_disguises_are_seen_through(scanner: Scanner):
    caught = sum(is_caught(scanner, kind, name) for kind, name in CASES)
    assert caught >= 0.9 * len(CASES)


@pytest.mark.parametrize("name", [*DISGUISES, *FOR_DIGITS])
def test_no_disguise_hides_a_social_security_number(scanner: Scanner, name: str):
    assert is_caught(scanner, "ssn", name)


@pytest.mark.parametrize("name", FOR_ADDRESSES)
def test_spelled_out_addresses_are_read(scanner: Scanner, name: str):
    assert is_caught(scanner, "email", name)


@pytest.mark.parametrize("name", [*DISGUISES, *FOR_DIGITS])
def test_a_disguised_value_is_masked_where_it_stands(scanner: Scanner, name: str):
    before = {"note": f"{disguised('ssn', name)} and more"}
    verdict = scanner.scan(json.dumps(before, ensure_ascii=False).encode())
    assert verdict.redacted is not None
    assert scanner.scan(verdict.redacted).action is not verdict.action
    after = json.loads(verdict.redacted)["note"]
    assert after.startswith("SSN ")
    assert after.endswith(" and more")


@pytest.mark.parametrize(
    "text",
    [
        "a b c d e f g h i j k",
        "1 2 3 4 5 6 7 8 9 10 11 12 13",
        "meet me at noon dot the i",
        "one two three four five six seven eight",
        "SGVsbG8gV29ybGQhIFRoaXMgaXMgYSB0ZXN0",
        "deadbeefdeadbeefdeadbeef",
        "100%25 of 50%20 is 50%",
        "caf&eacute; &amp; bar &lt;3",
        "Привет, как дела? Всё хорошо.",
        "会議は3時です",
        "๑๒๓ กขค",
        "U+200B is the zero-width\u200b space",
    ],
)
def test_other_readings_flag_nothing_in_plain_text(scanner: Scanner, text: str):
    assert scanner.scan_text(text).findings == ()


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("plain", "plain"),
        ("４２", "42"),
        ("4\u200b2", "42"),
        ("٤٢", "42"),
        ("Straße", "Strasse"),
        ("naïve", "naive"),
        ("a\u2013b\u00a0c", "a-b c"),
        ("会", "\x1a"),
        ("“x”", '"x"'),
        ("\x004\x002", "42"),
    ],
)
def test_folding_leaves_ascii(text: str, folded: str):
    assert fold(text).text == folded


def test_every_character_of_a_folded_text_knows_its_origin():
    text = "Stra\u00dfe \u200b４２ x"
    view = fold(text)
    at = view.text.index("42")
    assert text[slice(*view.origin(at, at + 2))] == "４２"
    start = view.text.index("ss")
    assert text[slice(*view.origin(start, start + 2))] == "ß"
