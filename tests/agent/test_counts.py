"""What handlers in a process of their own do is counted by its owner, like what is done in its own."""

import anyio
import pytest

from mas import MessageRefused
from mas.agent import Fared
from mas.agent.process.counts import Counting, add
from mas.agent.process.words import Counted, read_report
from tests.agent.crew import Worker
from tests.ops.asking import ask, series, shown, until_said

ONCE_MORE = {"delivery": {"lease": 1, "max_attempts": 2, "backoff_first": 0.01, "backoff_cap": 0.01}}


@pytest.fixture
def redis_url(closed_url):
    return closed_url


def fared(said):
    found = series(said.text)
    outcomes = ("handled", "failed", "retried", "given_up")
    return tuple(int(found[f'mas_handlers_total{{outcome="{outcome}"}}']) for outcome in outcomes)


async def until_fared(port, expected):
    """Wait until it is so; then it has to stay so."""
    await until_said(port, "/metrics", lambda said: fared(said) == expected)


async def test_what_a_process_handles_fails_and_gives_up_is_counted_with_what_its_owner_does(redis_url):
    alone = {"class_path": Worker, "process": True, "instances": 2}
    agents = {"worker": alone, "here": Worker, "there": Worker}
    async with shown(redis_url, gateway=ONCE_MORE, **agents) as (system, port):
        here = system.agent("here")
        for n in range(6):
            await here.request("worker", "echo", n, timeout=10)
        await until_fared(port, (6, 0, 0, 0))
        with pytest.raises(MessageRefused, match="raised"):
            await here.request("worker", "block", {}, timeout=10)
        await until_fared(port, (6, 2, 1, 1))
        await here.request("there", "echo", timeout=10)
        assert fared(await ask(port, "/metrics")) == (7, 2, 1, 1)
        board = (await ask(port, "/api/state")).json
        (handled,) = [each for each in board["facts"] if each["key"] == "handled"]
        assert (handled["value"], handled["note"]) == (7, "2 failures, 1 given up")


async def test_a_process_that_takes_the_place_of_another_counts_on(redis_url):
    alone = {"class_path": Worker, "process": True}
    async with shown(redis_url, gateway=ONCE_MORE, worker=alone, here=Worker) as (system, port):
        here = system.agent("here")
        await here.request("worker", "echo", timeout=10)
        await until_fared(port, (1, 0, 0, 0))
        assert (await here.request("worker", "once", timeout=30)).data["attempt"] == 2
        await until_fared(port, (2, 0, 1, 0))


async def test_what_was_handled_last_is_told_before_the_process_ends(redis_url):
    alone = {"class_path": Worker, "process": True}
    async with shown(redis_url, worker=alone, here=Worker) as (system, port):
        for n in range(3):
            await system.agent("here").request("worker", "echo", n, timeout=10)
        with anyio.fail_after(10):
            await system.root.stop("agents/worker")
        assert fared(await ask(port, "/metrics")) == (3, 0, 0, 0)


def test_all_that_is_counted_is_told_once_and_added():
    told, total = list[Counted](), Fared()

    def offer(line):
        news = read_report(line)
        assert isinstance(news, Counted)
        told.append(news)
        add(news, total)
        return True

    counting = Counting(offer)
    for _ in range(2):
        for number, outcome in enumerate(Fared.__slots__, 1):
            setattr(counting.fared, outcome, number)
        counting.tell()
        counting.tell()
    assert len(told) == 2
    assert [getattr(total, outcome) for outcome in Fared.__slots__] == [2, 4, 6, 8, 10]


def test_what_finds_no_room_is_told_with_what_comes_after_and_nothing_is_told_twice():
    told, room = [], [False, True, True, True]

    def offer(line):
        written = room.pop(0)
        if written:
            told.append(read_report(line))
        return written

    counting = Counting(offer)
    counting.tell()
    counting.fared.handled += 2
    counting.tell()
    counting.fared.handled += 1
    counting.fared.failed += 1
    counting.tell()
    counting.tell()
    counting.fared.given_up += 1
    counting.beat(0.0)
    assert told == [Counted(handled=3, failed=1), Counted(given_up=1)]
    assert room == [True]
