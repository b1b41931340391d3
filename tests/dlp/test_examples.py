"""Texts and payloads as they are met, one by one."""

import json

import pytest

from mas.dlp import Scanner
from tests.dlp.examples import CLEAN, CLEAN_PAYLOADS, FOUND, FOUND_IN_PAYLOADS


@pytest.mark.parametrize(("kind", "text"), FOUND)
def test_is_found(scanner: Scanner, kind: str, text: str):
    assert kind in {finding.kind for finding in scanner.scan_text(text).findings}
    assert kind in {finding.kind for finding in scanner.scan(json.dumps({"t": text}).encode()).findings}


@pytest.mark.parametrize("text", CLEAN)
def test_is_clean(scanner: Scanner, text: str):
    assert scanner.scan_text(text).findings == ()
    assert scanner.scan(json.dumps([text]).encode()).findings == ()


@pytest.mark.parametrize(("kind", "payload"), FOUND_IN_PAYLOADS)
def test_is_found_by_its_key(scanner: Scanner, kind: str, payload: object):
    assert kind in {finding.kind for finding in scanner.scan(json.dumps(payload).encode()).findings}


@pytest.mark.parametrize("payload", CLEAN_PAYLOADS)
def test_payload_is_clean(scanner: Scanner, payload: object):
    assert scanner.scan(json.dumps(payload).encode()).findings == ()
