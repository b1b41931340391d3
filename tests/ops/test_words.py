"""Numbers and rates as the pages show them."""

import pytest

from mas.ops.rate import Rate
from mas.ops.words import ago, duration, number


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0004, "0 ms"),
        (0.0042, "4.2 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (59.4, "59.4 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h"),
        (7380, "2 h 3 min"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
        (40_000_000, "462 d 23 h"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_small_words():
    assert (number(1234567), ago(0.2), ago(90)) == ("1,234,567", "just now", "1 min 30 s ago")


def test_a_rate_is_that_of_the_last_seconds():
    rate = Rate()
    assert rate.note(100.0, 0) is None
    assert rate.note(100.1, 5) is None  # too near to say
    assert rate.note(102.0, 20) == 10
    assert [rate.note(102.0 + n, 20 + 50 * n) for n in range(1, 20)][-1] == 50
    assert rate.note(200.0, 5000) is None  # nobody looked for so long that it says nothing of now
    assert rate.note(202.0, 5000) == 0
