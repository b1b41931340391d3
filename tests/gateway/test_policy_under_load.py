"""A policy that changes a hundred times a second slows messages down by less than half."""

import logging
import time
from typing import Any

import anyio
import pytest

from mas import Agent
from tests.world import running

log = logging.getLogger(__name__)

MESSAGES = 3000
CHANGES = 100
"""A second."""
UNDER_WAY = 250


class Quiet(Agent[dict[str, Any]]):
    async def on_message(self, message):
        pass


async def rate(agent, count: int) -> float:
    """Return how many messages a second are decided, with so many under way."""
    began = time.perf_counter()
    for _ in range(0, count, UNDER_WAY):
        async with anyio.create_task_group() as some:
            for _ in range(UNDER_WAY - 1):
                some.start_soon(agent.send, "b", "x", {"n": 1})
            # The last of them waits for its decision, and so for those before it.
            some.start_soon(lambda: agent.send("b", "x", {"n": 1}, confirm=True))
    return count / (time.perf_counter() - began)


async def test_with_100_policy_changes_a_second_throughput_keeps_at_least_half(redis_url):
    async with running(redis_url, a=Quiet, b=Quiet) as system:
        agent, changes = system.agent("a"), 0
        await rate(agent, 500)

        async def change(enough: anyio.Event) -> None:
            nonlocal changes
            due = time.perf_counter()
            while not enough.is_set():
                edit = system.authorization
                edit = edit.unblock("x", "y") if changes % 2 else edit.block("x", "y")
                await edit.apply()
                changes += 1
                due += 1 / CHANGES
                await anyio.sleep(max(0.0, due - time.perf_counter()))

        told = []
        for _ in range(5):  # until one is not disturbed by what else the machine does
            calm = await rate(agent, MESSAGES)
            enough = anyio.Event()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(change, enough)
                began, before = time.perf_counter(), changes
                stormy = await rate(agent, MESSAGES)
                a_second = (changes - before) / (time.perf_counter() - began)
                enough.set()
            told.append(f"{calm:,.0f} msg/s without, {stormy:,.0f} with {a_second:.0f} changes a second")
            log.info("%s", told[-1])
            if stormy > calm / 2 and a_second > CHANGES / 2:
                return
        pytest.fail("; ".join(told))
