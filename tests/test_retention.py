"""Which files go, and which stay."""

import os

import pytest

from mas.retention import to_delete

NOW = 1_000_000.0


def laid(directory, *files):
    """Lay files of so many bytes, so many seconds old."""
    paths = []
    for number, (size, age) in enumerate(files):
        path = directory / str(number)
        path.write_bytes(b"x" * size)
        os.utime(path, (NOW - age, NOW - age))
        paths.append(path)
    return paths


@pytest.mark.parametrize(
    ("bounds", "gone"),
    [
        ((None, None), 0),
        ((100, None), 0),
        ((99, None), 1),
        ((15, None), 3),
        ((1, None), 3),
        ((None, 100), 0),
        ((None, 99), 1),
        ((None, 70), 2),
        ((None, 1), 3),
        ((99, 75), 2),
        ((30, 1000), 1),
    ],
)
def test_the_oldest_go_until_both_bounds_hold_and_the_newest_stays(tmp_path, bounds, gone):
    paths = laid(tmp_path, (10, 100), (20, 30), (30, 20), (40, 10))
    age, size = bounds
    assert to_delete(paths, max_age=age, max_bytes=size, now=NOW) == paths[:gone]


def test_one_that_is_younger_than_its_successor_keeps_it_too(tmp_path):
    """What is deleted is always a beginning: nothing is missing in the middle."""
    paths = laid(tmp_path, (1, 10), (1, 100), (1, 5))
    assert to_delete(paths, max_age=50, max_bytes=None, now=NOW) == []


def test_of_none_none_goes():
    assert to_delete([], max_age=0, max_bytes=0, now=NOW) == []
