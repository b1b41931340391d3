import os
import signal
import subprocess
import sys

import anyio
import pytest

from mas.cli.signals import Word, caught


async def take(signals, count):
    with anyio.fail_after(5):
        return [await anext(signals) for _ in range(count)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_says_stop_and_the_second_now(number):
    with caught() as signals:
        os.kill(os.getpid(), number)
        assert await take(signals, 1) == [Word.STOP]
        assert signals.stopping
        os.kill(os.getpid(), number)
        assert await take(signals, 1) == [Word.STOP_NOW]


async def test_different_signals_to_stop_are_counted_together():
    with caught() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await take(signals, 2) == [Word.STOP, Word.STOP_NOW]


async def test_one_that_came_before_anybody_listened_is_not_lost():
    with caught() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        await anyio.lowlevel.checkpoint()
        assert await take(signals, 1) == [Word.STOP]


async def test_a_hangup_asks_to_reload_and_stops_nothing():
    with caught() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert await take(signals, 1) == [Word.RELOAD]
        assert not signals.stopping


async def test_words_that_nobody_takes_do_not_block_the_process():
    with caught() as signals:
        for _ in range(10_000):
            signals.hear(signal.SIGHUP)
        assert await take(signals, 1) == [Word.RELOAD]


async def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with caught():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_the_third_ends_a_process_that_is_blocked():
    code = """
import os, signal
from mas.cli.signals import caught
with caught():
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGTERM)
    print("still there")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (128 + signal.SIGTERM, b"")
