"""What is written to an owner that may not listen."""

import os

import pytest

from mas.process.serving import written_at_once

LINE = b"x" * 511 + b"\n"


@pytest.fixture
def pipe():
    """Give the two ends of a pipe; either may have been closed."""
    ends = list(os.pipe())
    yield ends
    for end in ends:
        if end is not None:
            os.close(end)


def test_what_finds_no_room_is_not_written_and_nothing_waits_for_room(pipe):
    read, write = pipe
    written = 0
    while written_at_once(write, LINE):
        written += 1
    assert written > 1
    os.set_blocking(read, False)
    assert os.read(read, 1 << 24) == LINE * written
    assert written_at_once(write, LINE)


def test_an_owner_that_is_gone_is_told_nothing(pipe):
    os.close(pipe[0])
    pipe[0] = None
    assert not written_at_once(pipe[1], LINE)
