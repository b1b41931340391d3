"""F1, F14: gateways that die or sleep in the middle of a batch."""

import random
import signal
from contextlib import AsyncExitStack

import anyio
import pytest

from mas import open_system
from mas.system import Part
from tests.faults.cast import Receiver, Sender
from tests.faults.checker import Journal, check
from tests.faults.runner import process
from tests.redis.waiting import until
from tests.world import ENVIRON, asking, deployment

AGENTS: frozenset[Part] = frozenset({"agents", "service"})


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal")


@pytest.fixture
def config(redis_url, journal):
    receiver = {"class_path": Receiver, "init_kwargs": {"journal": str(journal.path)}, "concurrency": 1}
    return deployment(redis_url, a=Sender, b=receiver)


def gateway_only(config):
    return {**config, "agents": []}


async def test_six_times_killed_while_6000_messages_flow_all_are_handled_and_none_twice(
    redis_url, config, journal, anyio_backend
):
    count, kills = 6000, 6
    chance = random.Random(1)

    async def send(agent):
        for n in range(count):
            await agent.send("b", "work", n)

    with asking(redis_url) as client:
        async with (
            open_system(config, parts=AGENTS, environ=ENVIRON) as system,
            AsyncExitStack() as processes,
            anyio.create_task_group() as tasks,
        ):

            async def another():
                waits = process(gateway_only(config), "gateway", anyio_backend, waiting=True)
                return await processes.enter_async_context(waits)

            tasks.start_soon(send, system.agent("a"))
            gateway = await another()
            for kill in range(kills):
                await gateway.go()
                after = await another()
                mark = count * (kill + 1) // (kills + 2) + chance.randrange(100)
                await journal.reaches(mark)
                gateway.signal(signal.SIGKILL)
                assert await gateway.ended() == -signal.SIGKILL
                gateway = after
            await gateway.go()
            await journal.reaches(count)
            await until(lambda: client.xlen("agent.stream:b") == 0)
        assert [number for number, _ in journal.read()] == list(range(count))  # in order, too
        report = check(client, range(count), journal.read(), "b")
    assert report == (count, count, 0, count, 0, 0, 0, 0, 0, 0, 0), report
