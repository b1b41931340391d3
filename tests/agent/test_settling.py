"""What a receiver handled is settled, whatever happens to its group or to Redis' scripts meanwhile."""

from typing import Any

import anyio
import pytest

from mas import Agent
from mas.agent.settling import Settling
from mas.bus import SCRIPTS, FencedClaims, ensure_group
from mas.clock import SYSTEM
from mas.redis import open_redis
from tests.redis.waiting import until
from tests.world import Tally, asking, running


class Sender(Agent[dict[str, Any]]):
    """Says what the test tells it to."""


@pytest.fixture
def holds():
    """Give an agent class whose handlers wait to be let go; all its instances share what they note."""

    class Holds(Agent[dict[str, Any]]):
        begun, ended = Tally(), Tally()
        go = anyio.Event()

        async def on_message(self, message):
            type(self).begun.note(message.data)
            if message.message_type == "hold":
                await type(self).go.wait()
            type(self).ended.note(message.data)

    return Holds


@pytest.fixture(autouse=True)
def no_sweep(monkeypatch):
    """No inbox looks unless something makes it."""
    monkeypatch.setattr("mas.agent.inbox.SWEEP", 10_000.0)


async def test_a_stop_in_the_midst_of_settling_anew_settles_each_once(redis_url):
    async with open_redis(redis_url, scripts=SCRIPTS) as redis:
        await ensure_group(redis, "s", "g")
        for n in range(3):
            await redis.call("XADD", "s", "*", "n", n)
        read = await redis.call("XREADGROUP", "GROUP", "g", "me", "COUNT", 3, "STREAMS", "s", ">")
        settling = Settling(FencedClaims(redis, "g", "me"), "s", 30.0, SYSTEM)
        settling._unsettled = [("s", [entry]) for entry, _ in read[0][1]]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(settling.tend)
            tasks.start_soon(settling.confirmed)
        assert await redis.call("XLEN", "s") == 0
        assert settling._unsettled == []


@pytest.mark.parametrize("instances", [1, 3])
async def test_what_is_under_way_when_its_group_goes_is_handled_once_and_the_group_comes_back(
    redis_url, holds, instances
):
    spec = {"class_path": holds, "instances": instances}
    async with running(redis_url, a=Sender, b=spec) as system:
        with asking(redis_url) as client:
            for n in range(5):
                await system.agent("a").send("b", "hold", n)
            await holds.begun.reaches(5)
            client.xgroup_destroy("agent.stream:b", "agents")
            holds.go.set()
            await holds.ended.reaches(5)
            await until(lambda: client.xlen("agent.stream:b") == 0)
            await until(lambda: client.xinfo_groups("agent.stream:b"))
            await system.agent("a").send("b", "tell", 5)
            await holds.ended.reaches(6)
        assert sorted(holds.begun.seen) == list(range(6))


async def test_what_ends_while_its_agent_stops_is_settled_though_the_scripts_are_gone(redis_url, holds):
    async with running(redis_url, a=Sender, b=holds) as system:
        with asking(redis_url) as client:
            await system.agent("a").send("b", "hold", 0)
            await holds.begun.reaches(1)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(system.root.stop, "agents/b")
                await until(lambda: system.root.tree().find("agents/b").state == "stopping")
                client.script_flush()
                holds.go.set()
            assert client.xlen("agent.stream:b") == 0
