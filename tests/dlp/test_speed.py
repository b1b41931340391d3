"""Line speed: the first pass beside the standard library's `re`, and linear time under attack."""

# ruff: noqa: E501 - a table is read by its rows

import json
import random
import re
import time
import timeit
from collections.abc import Callable
from functools import partial

import pytest

from mas.dlp import CLEAN, Policy, Scanner

PROSE = "the agents of this runtime talk about weather, prices and trains all day long and never say a secret word; "

pytestmark = pytest.mark.alone


def best(run: Callable[[], object], number: int) -> float:
    """Return the least time of several runs, in seconds a call."""
    return min(timeit.repeat(run, number=number, repeat=5)) / number


@pytest.mark.parametrize(("size", "share"), [(100, 5), (1024, 15)])
def test_a_clean_payload_costs_a_fraction_of_what_re_takes(scanner: Scanner, size: int, share: int):
    payload = json.dumps({"text": (PROSE * 20)[: size - 12]}).encode()
    assert scanner.scan(payload) is CLEAN
    searches = [re.compile(pattern).search for pattern in scanner.patterns]
    assert not any(search(payload) for search in searches)
    ours = best(lambda: scanner.scan(payload), 500)
    theirs = best(lambda: [search(payload) for search in searches], 5)
    assert ours * share <= theirs


def test_an_embedding_costs_little_more_than_reading_it(scanner: Scanner):
    draw = random.Random(1)
    payload = json.dumps({"vector": [draw.gauss(0, 1) for _ in range(768)]}).encode()
    assert not scanner.is_clean(payload)
    assert scanner.scan(payload) is CLEAN
    assert best(lambda: scanner.scan(payload), 5) < 8 * best(lambda: json.loads(payload), 5)


@pytest.fixture(scope="module")
def patient() -> Scanner:
    return Scanner(Policy(max_bytes=1 << 24, max_milliseconds=60_000))


PUMPS = {
    "digits": "1", "cards": "4111 1111 1111 1112 ", "ssns": "536-90-4399 ", "addresses": "a@b.co ", "at signs": "a@", "frames": "-----BEGIN PRIVATE KEY-----\n",
    "tokens": "eyJhbGciOi.", "passwords": "password=", "told passwords": "the password is ", "percent": "%25", "entities": "&amp;", "base64": "QUJDREVGR0hJSktM",
    "base64 runs": "QUJDREVGR0hJSktMTU5PUA== ", "spaced": "1 ", "urls": "http://a:b@c ", "streets": "12 Main Street ", "phones": "+1 212 555 0142 ",
    "number words": "one two three ", "hexadecimal": "41", "zero width": "1\u200b", "full width": "１２３", "diagnoses": "dx E11 ", "escapes": "\\u0041", "quotes": '"password": "',
}  # fmt: skip


@pytest.mark.parametrize("name", PUMPS)
def test_time_grows_linearly_under_pumping(patient: Scanner, name: str):
    seconds = {}
    for size in (16_000, 128_000):
        text = (PUMPS[name] * (size // len(PUMPS[name]) + 1))[:size]
        payload = json.dumps({"t": text}, ensure_ascii=False).encode()
        run = partial(patient.scan, payload)
        seconds[size] = min(timeit.repeat(run, number=1, repeat=4, timer=time.thread_time))
    # Eight times the text: a quadratic step would take 64 times as long. The rest is noise.
    assert seconds[128_000] < 24 * seconds[16_000] + 0.02


def test_one_find_in_a_large_payload_is_within_the_budget(scanner: Scanner):
    rows = [
        {"id": n, "name": "Ann Lee", "city": "Boston", "note": "all is well", "ok": True}
        for n in range(10_000)
    ]
    payload = json.dumps([*rows, {"mail": "ann@acme.io"}]).encode()
    assert len(payload) > 800_000
    verdict = scanner.scan(payload)
    assert [finding.path for finding in verdict.findings] == ["$[10000].mail"]
