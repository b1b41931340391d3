"""Code that holds up the event loop is named, once, with its stack."""

import logging
import threading
import time
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from mas import Agent
from mas.agent.watchdog import Watchdog
from tests.redis.waiting import until
from tests.world import running

LIMIT = 0.2


@asynccontextmanager
async def watched(limit=LIMIT):
    async with anyio.create_task_group() as tasks:
        await tasks.start(Watchdog(limit).run)
        yield
        tasks.cancel_scope.cancel()


@pytest.fixture
def records(caplog):
    caplog.set_level(logging.DEBUG, logger="mas.agent.watchdog")

    def told(text):
        return [record for record in caplog.records if text in record.getMessage()]

    return told


def dawdle(seconds):
    time.sleep(seconds)


async def test_what_blocks_the_loop_is_named_with_its_stack_and_its_length(records):
    async def hold_it_up():
        dawdle(LIMIT * 4)

    async with watched(), anyio.create_task_group() as tasks:
        await anyio.sleep(LIMIT)
        tasks.start_soon(hold_it_up)
        await until(lambda: records("turns again"))
    (blocked,) = records("is blocked")
    assert blocked.by.endswith("its_stack_and_its_length.<locals>.hold_it_up")
    text = logging.Formatter().format(blocked)
    assert "in dawdle" in text
    assert "time.sleep(seconds)" in text
    (free,) = records("turns again")
    assert free.seconds >= LIMIT * 3


async def test_a_handler_is_named_by_its_agent_and_message(records, redis_url):
    handled = anyio.Event()

    class Slow(Agent[dict[str, Any]]):
        @Agent.on("job")
        async def work(self, message, payload):
            dawdle(LIMIT * 4)
            handled.set()

    class Boss(Agent[dict[str, Any]]):
        pass

    async with running(redis_url, slow=Slow, boss=Boss) as system, watched():
        await system.agent("boss").send("slow", "job")
        with anyio.fail_after(10):
            await handled.wait()
        await until(lambda: records("turns again"))
    # On a machine that shares its cores, the same handler may be met blocked twice.
    assert {record.by for record in records("is blocked")} == {"slow handling job from boss"}


async def test_a_loop_that_only_works_hard_is_left_in_peace(records):
    async with watched():
        end = time.monotonic() + LIMIT * 4
        while time.monotonic() < end:
            dawdle(LIMIT / 10)
            await anyio.lowlevel.checkpoint()
    assert not records("")


async def test_nothing_is_left_behind():
    before = threading.active_count()
    async with watched(limit=60):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
