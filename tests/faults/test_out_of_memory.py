"""F18: a Redis that is full, and one that would make room by throwing accepted mail away."""

import logging
from typing import Any

import anyio
import pytest

from mas import Agent, RedisUnavailable
from mas.gateway.lease import LEASE
from mas.supervision.events import Failed
from mas.testing.server import redis_server
from tests.faults.checker import check
from tests.faults.noting import Noting
from tests.hand import enrolled
from tests.redis.waiting import until
from tests.world import KEYS, asking, audit, entries, letters, running


class Sender(Agent[dict[str, Any]]):
    pass


class Receiver(Noting):
    def __init__(self, agent_id, **more):
        super().__init__(agent_id, **more)
        self.begun, self.release = anyio.Event(), anyio.Event()

    @Agent.on("fail")
    async def fail(self, message, payload):
        self.got.note(message)
        self.begun.set()
        await self.release.wait()
        raise ValueError("of no interest to others")


def alarms(client):
    return [e["record"] for e in entries(client, KEYS.audit_security) if '"ALARM"' in e["record"]]


def problems(caplog):
    return [str(getattr(record, "problem", "")) for record in caplog.records]


async def test_without_memory_nothing_is_delivered_an_alarm_raised_and_with_memory_all_is(
    monkeypatch, caplog
):
    monkeypatch.setattr("mas.registry.heartbeat.INTERVAL", 0.5)
    crashes: list[Failed] = []

    def hear(event):
        if isinstance(event, Failed):
            crashes.append(event)

    once = {"delivery": {"max_attempts": 1}}
    permissions = [{"type": "allow", "from": ["a", "hand"], "to": "b"}]
    with redis_server() as server, server.client() as client:
        how: dict[str, Any] = {"permissions": permissions, "gateway": once, "a": Sender, "b": Receiver}
        async with running(server.url, on_event=hear, **how) as system:
            a, b = system.agent("a"), system.agent("b")
            hand = await enrolled(system, client, "hand")
            await a.send("b", "fail", 0, confirm=True)
            await b.begun.wait()
            # In one step, so that no gateway decides any of it before memory is short.
            with client.pipeline() as at_once:
                for n in range(1, 41):
                    at_once.xadd(KEYS.ingress, hand.fields(hand.envelope("b", "work", n)))
                at_once.config_set("maxmemory", "1")
                at_once.execute()
            with pytest.raises(RedisUnavailable, match="memory"):
                await a.send("b", "work", 41)
            b.release.set()
            await until(lambda: any("out of memory" in problem for problem in problems(caplog)), every=0.01)
            # Longer than a gateway's name lasts that is not renewed.
            await anyio.sleep(LEASE + 0.5)
            assert client.keys("mas.gateway.lease:*")
            assert client.xlen(KEYS.ingress) == 40
            assert (len(audit(client)), len(b.got.seen)) == (1, 1)
            client.config_set("maxmemory", "0")
            await b.got.reaches(41)
            await until(lambda: len(letters(client)) == 1)
            await a.send("b", "work", 41, confirm=True)
            await until(lambda: client.xlen(KEYS.ingress) == client.xlen("agent.stream:b") == 0)
            await until(lambda: any("out of memory" in alarm for alarm in alarms(client)))
        report = check(client, range(42), b.journal, "b")
    assert crashes == []
    assert report == (42, 42, 0, 42, 0, 0, 1, 0, 0, 0, 0, 0), report


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "noeviction"])
async def test_the_start_warns_of_a_redis_that_would_throw_away_what_it_accepted(redis_url, policy, caplog):
    caplog.set_level(logging.WARNING)
    with asking(redis_url) as client:
        client.config_set("maxmemory-policy", policy)
        try:
            async with running(redis_url, a=Sender, b=Receiver):
                told = [problem for problem in problems(caplog) if "maxmemory-policy" in problem]
                assert len(told) == (policy != "noeviction")
                if told:
                    assert policy in told[0]
                    await until(lambda: any(policy in alarm for alarm in alarms(client)))
        finally:
            client.config_set("maxmemory-policy", "noeviction")
