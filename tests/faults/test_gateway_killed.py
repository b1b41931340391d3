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
from tests.world import ENVIRON, asking, audit, deployment

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
        report = check(client, range(count), journal.read(), "b")
    assert report == (count, count, 0, count, 0, 0, 0, 0, 0, 0, 0, 0), report


async def test_one_gateway_killed_and_back_under_its_name_keeps_the_order(
    redis_url, config, journal, anyio_backend
):
    count = 1500

    async def send(agent):
        for n in range(count):
            await agent.send("b", "work", n)

    with asking(redis_url) as client:
        async with (
            open_system(config, parts=AGENTS, environ=ENVIRON) as system,
            AsyncExitStack() as processes,
            anyio.create_task_group() as tasks,
        ):
            first, second = [
                await processes.enter_async_context(
                    process(gateway_only(config), "gateway", anyio_backend, waiting=True)
                )
                for _ in range(2)
            ]
            await first.go()
            tasks.start_soon(send, system.agent("a"))
            await journal.reaches(count // 3)
            first.signal(signal.SIGKILL)
            await until(lambda: not list(client.scan_iter("mas.gateway.lease:*")), every=0.01)
            await second.go()
            await journal.reaches(count)
            await until(lambda: client.xlen("agent.stream:b") == 0)
        report = check(client, range(count), journal.read(), "b")
    assert report == (count, count, 0, count, 0, 0, 0, 0, 0, 0, 0, 0), report
    assert [number for number, _ in journal.read()] == list(range(count))


async def test_among_several_gateways_that_die_or_sleep_each_message_is_committed_once(
    redis_url, config, journal, anyio_backend
):
    count = 3000

    async def send(agent):
        for n in range(count):
            await agent.send("b", "work", n)

    with asking(redis_url) as client:
        async with (
            open_system(config, parts=AGENTS, environ=ENVIRON) as system,
            AsyncExitStack() as processes,
            anyio.create_task_group() as tasks,
        ):
            gateways = [
                await processes.enter_async_context(
                    process(gateway_only(config), "gateway", anyio_backend, waiting=True)
                )
                for _ in range(3)
            ]
            async with anyio.create_task_group() as starting:
                for gateway in gateways:
                    starting.start_soon(gateway.go)
            tasks.start_soon(send, system.agent("a"))
            killed, sleeping, _ = gateways
            await journal.reaches(count // 4)
            killed.signal(signal.SIGKILL)
            sleeping.signal(signal.SIGSTOP)  # for longer than its name is kept
            await journal.reaches(count // 2)
            await until(lambda: client.xlen("mas.gateway.ingress") < 500, within=20, every=0.01)
            await anyio.sleep(2)
            sleeping.signal(signal.SIGCONT)
            await journal.reaches(count)
            await until(lambda: client.xlen("agent.stream:b") == 0)
            await until(lambda: client.xlen("mas.gateway.ingress") == 0)
        report = check(client, range(count), journal.read(), "b")
        decisions = {record["decision"] for record in audit(client)}
    assert report == (count, count, 0, count, 0, 0, 0, 0, 0, 0, 0, 0), report
    assert decisions == {"ALLOWED"}
