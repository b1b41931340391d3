"""After Redis was away, or full, whoever lives has time to say so before anybody is taken off the books."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from redis.exceptions import ResponseError

from mas.audit import Events
from mas.clock import ManualClock
from mas.directory import AgentRecord
from mas.ids import AgentId, InstanceId
from mas.redis import open_redis
from mas.registry import HEARTBEAT_LIFE, SCRIPTS, HealthMonitor, Heartbeat, Lives, enrol
from mas.registry.health import INTERVAL
from tests.redis.waiting import until
from tests.world import KEYRING, KEYS, asking

A, ONE = AgentId("a"), InstanceId("one")


@pytest.fixture
def client(redis_url):
    with asking(redis_url) as opened:
        yield opened


@asynccontextmanager
async def watched(redis_url: str, clock: ManualClock) -> AsyncGenerator[Any]:
    """Enrol an instance, and look after it by a clock that is driven by hand."""
    async with open_redis(redis_url, name="mas:monitor", scripts=SCRIPTS) as redis:
        lives = Lives(3600.0, in_flight=60.0)
        await enrol(redis, KEYS, KEYRING, AgentRecord(A, ()), ONE, now=time.time(), lives=lives)
        events = Events(redis, KEYS, KEYRING, "service")
        monitor: Any = HealthMonitor(redis, KEYS, events, in_flight=60.0, clock=clock)
        looks: list[Any] = []
        look = monitor.look

        async def looking():
            try:
                looks.append(await look())
            except ResponseError as error:
                looks.append(error)
                raise

        monitor.look = looking
        async with anyio.create_task_group() as tasks:
            await tasks.start(monitor.run)
            # The first look is made at once, and is none of those that a test waits for.
            await until(lambda: looks, every=0.01)
            yield redis, looks
            tasks.cancel_scope.cancel()


async def interval(clock, looks):
    """Let the time between two looks pass, and give a look the chance to be made."""
    before = len(looks)
    await clock.advance(INTERVAL)
    with anyio.move_on_after(0.5):
        while len(looks) == before:
            await anyio.sleep(0.01)


async def looked(clock, looks, *, within=HEARTBEAT_LIFE + INTERVAL):
    """Let time pass until there was another look; return what it found."""
    before, passed = len(looks), 0.0
    while len(looks) == before:
        assert passed <= within
        await interval(clock, looks)
        passed += INTERVAL
    return looks[-1]


async def test_a_sign_of_life_that_ran_out_while_redis_was_away_takes_nobody_off_the_books(redis_url, client):
    clock = ManualClock()
    async with watched(redis_url, clock) as (redis, looks):
        assert await looked(clock, looks) == []
        client.delete(KEYS.heartbeat(A, ONE))
        generation = redis.generation
        for each in client.client_list():
            if each["name"] == "mas:monitor":
                client.client_kill_filter(_id=each["id"])
        with anyio.fail_after(20):
            while redis.generation == generation:
                await clock.advance(0.1)
                await anyio.sleep(0.01)
        # As long as a beat takes to come again, at the most.
        await interval(clock, looks)
        heartbeat = Heartbeat(redis, KEYS, lambda *_: checkpoint())
        heartbeat.join(A, ONE)
        await heartbeat.beat()
        assert await looked(clock, looks) == []
        assert client.exists(KEYS.instance_stream(A, ONE))
        # One that does not come back is found all the same.
        client.delete(KEYS.heartbeat(A, ONE))
        assert await looked(clock, looks) == [(A, ONE)]


async def test_a_sign_of_life_that_ran_out_while_redis_was_full_takes_nobody_off_the_books(redis_url, client):
    clock = ManualClock()
    async with watched(redis_url, clock) as (redis, looks):
        heartbeat = Heartbeat(redis, KEYS, lambda *_: checkpoint())
        heartbeat.join(A, ONE)
        client.config_set("maxmemory", "1")
        try:
            with pytest.raises(ResponseError, match="maxmemory"):
                await heartbeat.beat()
            client.delete(KEYS.heartbeat(A, ONE))
            assert isinstance(await looked(clock, looks), ResponseError)
        finally:
            client.config_set("maxmemory", "0")
        await interval(clock, looks)
        await heartbeat.beat()
        assert await looked(clock, looks) == []
        assert client.exists(KEYS.instance_stream(A, ONE))
