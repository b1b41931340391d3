"""A process of our own: lines either way, none left behind."""

import os
import signal
from pathlib import Path

import anyio
import pytest

from mas.process import Lines, Owned, open_owned

ECHO = "tests.process.echo"
LONGEST = 1_000_000
ENVIRON = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


async def next_lines(owned: Owned, count: int) -> list[bytes]:
    heard: list[bytes] = []
    with anyio.fail_after(30):
        while len(heard) < count:
            lines = await owned.hear()
            assert lines is not None, heard
            heard += lines
    return heard


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def environ_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def test_it_answers_line_for_line_and_finds_nothing_on_standard_input():
    async with open_owned(ECHO, ENVIRON, longest=LONGEST) as owned:
        for line in (b"first", b"a", b"b" * 200_000):
            await owned.say(line)
        assert await next_lines(owned, 3) == [b"first, and stdin is empty", b"aa", b"b" * 400_000]


async def test_it_ends_when_its_owner_lets_go_of_it():
    async with open_owned(ECHO, ENVIRON, longest=LONGEST) as owned:
        await owned.say(b"first")
        await next_lines(owned, 1)
        pid = owned.pid
    assert await owned.wait() == 7
    assert gone(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_to_all_processes_of_a_service_leaves_it_to_its_owner(number):
    async with open_owned(ECHO, ENVIRON, longest=LONGEST) as owned:
        await owned.say(b"first")
        await next_lines(owned, 1)
        os.kill(owned.pid, number)
        await owned.say(b"a")
        assert await next_lines(owned, 1) == [b"aa"]


async def test_one_that_does_not_end_is_killed():
    async with open_owned(ECHO, ENVIRON, longest=LONGEST) as owned:
        await owned.say(b"stay")
        await next_lines(owned, 1)
        pid = owned.pid
    assert await owned.wait() == -signal.SIGKILL
    assert gone(pid)


async def test_to_one_that_is_gone_nothing_is_said_and_from_it_nothing_heard():
    async with open_owned(ECHO, ENVIRON, longest=LONGEST) as owned:
        await owned.say(b"first")
        await next_lines(owned, 1)
        os.kill(owned.pid, signal.SIGKILL)
        with anyio.fail_after(30):
            assert await owned.wait() == -signal.SIGKILL
            assert await owned.hear() is None
            await owned.say(b"x" * 1_000_000)
        assert owned.heard() is None


async def test_a_line_without_an_end_is_not_kept(anyio_backend):
    async with open_owned(ECHO, ENVIRON, longest=1000) as owned:
        await owned.say(b"first")
        await next_lines(owned, 1)
        await owned.say(b"x" * 600)
        with pytest.raises(ValueError, match="longer than 1,000 bytes"), anyio.fail_after(30):
            while True:
                await owned.hear()


async def test_what_is_ours_is_not_in_its_environment():
    environ = {**ENVIRON, "MAS_SECRET": "must not travel"}
    async with open_owned(ECHO, environ, longest=LONGEST) as owned:
        await owned.say(b"first")
        await next_lines(owned, 1)
        seen = environ_of(owned.pid)
        assert b"PYTHONPATH" in seen
        assert b"MAS_SECRET" not in seen


def test_lines_come_whole_however_the_bytes_are_cut():
    lines = Lines(10)
    assert [line for byte in b"ab\nc\n\nd" for line in lines.take(bytes([byte]))] == [b"ab", b"c", b""]
    assert lines.take(b"e\nf\n\ng") == [b"de", b"f", b""]
    assert lines.take(b"\n") == [b"g"]


@pytest.mark.parametrize("cut", [1, 5, 11])
def test_a_line_has_its_longest_however_it_comes(cut):
    lines = Lines(10)
    assert lines.take(b"0123456789\n") == [b"0123456789"]
    with pytest.raises(ValueError, match="longer than 10 bytes"):
        for at in range(0, 11, cut):
            lines.take(b"0123456789x"[at : at + cut])


@pytest.mark.parametrize("data", [b"", b"no end"])
def test_what_has_no_end_yet_is_no_line(data):
    assert Lines(10).take(data) == []
