"""What was found is nowhere to be read but in the payload itself."""

import json
import logging
import pickle
import traceback

import pytest

from mas.dlp import CustomPattern, Policy, Scanner, run_scan_lines
from mas.dlp.candidate import Candidate
from mas.dlp.fold import fold
from mas.dlp.resolve import Find
from mas.dlp.walk import Unreadable, leaves, parse

CANARIES = {
    "ssn": "536-90-4399",
    "card": "4111 1111 1111 1111",
    "mail": "canary.bird@acme.io",
    "password": "C4nary!Bird",
    "key": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "url": "postgres://app:C4nary!Bird@db:5432/app",
    "mrn": "MRN 00482913",
}
PIECES = ("536-90", "4399", "4111", "canary.bird", "C4nary", "16C7e42F", "00482913")


def assert_silent(text: str) -> None:
    assert [piece for piece in PIECES if piece in text] == []


def test_verdicts_findings_and_reasons_hold_no_value(scanner: Scanner):
    for value in (CANARIES, list(CANARIES.values()), dict.fromkeys(CANARIES.values(), 1)):
        verdict = scanner.scan(json.dumps(value).encode())
        assert len(verdict.findings) >= len(CANARIES) - 1
        assert_silent(f"{verdict!r} {verdict} {verdict.reason} {verdict.as_dict()} {verdict.findings!r}")
        assert_silent(pickle.dumps(verdict).decode("latin-1"))


def test_a_redacted_payload_is_not_in_the_repr(scanner: Scanner):
    verdict = scanner.scan(b'{"ssn":"536-90-4399","other":"canary.bird"}')
    assert verdict.redacted is not None
    assert_silent(repr(verdict))


def test_scan_lines_print_no_value(scanner: Scanner):
    assert_silent(
        "\n".join(run_scan_lines([json.dumps({"text": text}) for text in CANARIES.values()], scanner))
    )


def test_nothing_is_logged_or_printed(
    scanner: Scanner, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    caplog.set_level(logging.DEBUG)
    scanner.scan(json.dumps(CANARIES).encode())
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


def test_refusals_quote_nothing(scanner: Scanner):
    for raw in (b'{"536-90-4399":1,"536-90-4399":2}', b'{"a":"canary.bird@acme.io', b'"536-90-4399\xff"'):
        verdict = scanner.scan(raw)
        assert verdict.refusal
        assert_silent(f"{verdict!r} {verdict.reason}")


def test_tracebacks_quote_nothing():
    raw = f'{{"{CANARIES["ssn"]}":1,"x":"{CANARIES["mail"]}"'.encode()
    with pytest.raises(Unreadable) as caught:
        parse(raw)
    assert_silent("".join(traceback.format_exception(caught.value)))


def test_what_passes_through_the_scan_shows_no_text():
    view = fold("SSN 536-90-4399")
    leaf = next(iter(leaves("SSN 536-90-4399")))
    find = Find("ssn", "us-ssn", 4, 15, 0.9, "536-90-4399")
    assert_silent(repr((view, Candidate(view, 4, 15, 0), leaf, find)))


def test_examples_of_a_custom_pattern_are_not_in_reprs_or_errors():
    pattern = CustomPattern("bird", r"canary\.\w+", must_match=["canary.bird"])
    assert_silent(repr(Policy(custom=[pattern])))
    with pytest.raises(ValueError, match="example 1") as caught:
        CustomPattern("bird", r"finch", must_match=["canary.bird"])
    assert_silent(str(caught.value))


def test_a_scanner_shows_neither_key_nor_policy():
    assert repr(Scanner(key=b"canary.bird 4399 key")).startswith("Scanner(")
    assert_silent(repr(Scanner(key=b"canary.bird 4399 key")))
