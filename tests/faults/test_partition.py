"""F15: a gateway, a receiver and a sender to whom the network says nothing, and then says it late."""

from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from mas import Agent
from mas.system import Part
from mas.testing.server import redis_server
from tests.faults.checker import check
from tests.faults.noting import Noting
from tests.faults.proxy import proxy
from tests.redis.waiting import until
from tests.world import audit, own_files, running

QUICK = {"redis": {"response_timeout": 1, "connect_timeout": 1}, "delivery": {"lease": 1}}
GATEWAY: frozenset[Part] = frozenset({"gateway"})
AGENTS: frozenset[Part] = frozenset({"agents"})
NO_GATEWAY: frozenset[Part] = frozenset({"agents", "service"})
NO_AGENTS: frozenset[Part] = frozenset({"gateway", "service"})


class Sender(Agent[dict[str, Any]]):
    async def say(self, numbers):
        for n in numbers:
            await self.send("b", "work", n)


class Receiver(Noting):
    pass


class Slow(Receiver):
    @Agent.on("work")
    async def work(self, message, payload):
        self.got.note(message)
        await anyio.sleep(0.01)


@pytest.fixture
def place():
    """A server, a proxy before it, and what opens a system by way of either."""

    @asynccontextmanager
    async def opened():
        with redis_server(port=0) as server, server.client() as client, own_files(server.url) as files:
            assert server.port is not None

            def system(url, parts, **agents):
                where = {"data_dir": str(files)}
                agents = {"a": Sender, "b": Receiver} | agents
                return running(url, parts=parts, gateway=QUICK, options=where, **agents)

            async with proxy(server.port) as between:
                yield client, server.url, between, system

    return opened


def nothing_is_left(client):
    return client.xlen("mas.gateway.ingress") == client.xlen("agent.stream:b") == 0


async def test_a_gateway_that_hears_nothing_is_relieved_and_its_late_commit_changes_nothing(place):
    count = 1200
    async with (
        place() as (client, url, between, system),
        system(url, NO_GATEWAY) as here,
        system(between.url, GATEWAY) as cut_off,
    ):
        a, b = here.agent("a"), here.agent("b")
        (lease,) = client.keys("mas.gateway.lease:*")
        async with system(url, GATEWAY) as other, anyio.create_task_group() as tasks:
            tasks.start_soon(a.say, range(count))
            await b.got.reaches(count // 4)
            between.fall_silent()
            await until(lambda: not client.exists(lease), every=0.01)
            await b.got.reaches(count)
            assert sum(other.decisions.values()) > 0
            await until(lambda: not cut_off.redis.online, every=0.01)
            # Whatever it said last is heard now, after others have done it.
            between.heal()
            await until(lambda: cut_off.redis.online, every=0.01)
            await a.say(range(count, count + 200))
            await b.got.reaches(count + 200)
            await until(lambda: nothing_is_left(client))
        report = check(client, range(count + 200), b.journal, "b")
        decisions = {record["decision"] for record in audit(client)}
    assert report == (count + 200, count + 200, 0, count + 200, *[0] * 8), report
    assert decisions == {"ALLOWED"}


async def test_a_receiver_that_hears_nothing_keeps_nobody_waiting_longer_than_its_lease(place):
    count = 400
    async with (
        place() as (client, url, between, system),
        system(url, NO_AGENTS),
        system(url, AGENTS, b=Slow) as here,
        system(between.url, AGENTS, b=Slow) as cut_off,
    ):
        one, other = here.agent("b"), cut_off.agent("b")
        say = here.agent("a").say
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(say, range(count))
            await other.got.reaches(50)
            between.fall_silent()
            held = client.xpending("agent.stream:b", "agents")["pending"]
            await until(lambda: {m.data for m in one.got.seen + other.got.seen} == set(range(count)))
            await until(lambda: client.xlen("agent.stream:b") == 0, within=20)
            before = len(other.got.seen)
            between.heal()
            await until(lambda: cut_off.redis.online, every=0.01)
        await say(range(count, 2 * count))
        # It is back at work, and what it thought was its own is not settled for another.
        await other.got.reaches(before + 1)
        await until(lambda: nothing_is_left(client), within=20)
        report = check(client, range(2 * count), one.journal + other.journal, "b")
    assert report.handled_dup <= held + 64, report
    assert report._replace(handled_dup=0) == (2 * count, 2 * count, 0, 2 * count, *[0] * 8), report


async def test_a_sender_over_a_bad_line_says_each_thing_once(place):
    count = 300
    async with (
        place() as (client, url, between, system),
        system(url, NO_AGENTS),
        system(url, AGENTS) as there,
        system(between.url, AGENTS) as here,
        anyio.create_task_group() as tasks,
    ):
        b, connects = there.agent("b"), here.redis.generation
        also = here.agent("b")

        async def reach(number):
            await until(lambda: len(b.got.seen) + len(also.got.seen) >= number, within=20)

        tasks.start_soon(here.agent("a").say, range(count))
        await reach(count // 5)
        between.fall_silent()
        # Its own clock ends the waiting: nothing tells it that nobody listens.
        await until(lambda: not here.redis.online, every=0.01)
        between.heal()
        await reach(2 * count // 5)
        await between.half_close()
        await reach(3 * count // 5)
        between.delay = 0.01
        await reach(4 * count // 5)
        await between.cut()
        between.delay = 0
        await until(lambda: {m.data for m in b.got.seen + also.got.seen} == set(range(count)), within=20)
        await until(lambda: nothing_is_left(client), within=20)
        assert here.redis.generation >= connects + 3
        report = check(client, range(count), b.journal + also.journal, "b")
    assert report._replace(handled_dup=0) == (count, count, 0, count, *[0] * 8), report
