"""Agents and outsiders come and go, cleanly and not: what is left has an end, or is known to be kept."""

import re
import signal
import time
from typing import Any

import pytest
import redis as blocking

import mas
from mas import MessageRefused, RequestTimeout
from mas.audit import Events
from mas.clock import SYSTEM
from mas.directory import AgentRecord, Tombstones
from mas.ids import AgentId, InstanceId
from mas.keys import AGENT_GROUP
from mas.redis import open_redis, open_subscriber
from mas.registry import (
    SCRIPTS,
    HealthMonitor,
    Lives,
    OutsiderKeeper,
    enrol_outsider,
    issue_grant,
    redeem,
    revoke,
)
from mas.settings import RedisUrl
from mas.testing.server import redis_server
from tests.faults.runner import process
from tests.identity.conftest import Echo
from tests.identity.waiting import until
from tests.world import KEYRING, KEYS, deployment

LIVES = Lives(3600, 60)
OUT, ONE, TWO = AgentId("out"), InstanceId("one"), InstanceId("two")
TALK = [{"type": "allow_network", "agents": ["out", "in", "old", "new"]}]
KEPT = [
    # A registration stays until somebody says otherwise: mail may wait for an agent that is away.
    r"mas\.(agents|outsiders|capability:x)",
    r"agent:(in|old|new|out)",
    r"agent\.stream:(in|old|new|out)",
    r"agent\.state:(in|old|new|out)",
    r"mas\.gateway\.ingress(:out)?",
    r"mas\.(gateways|policy|tombstones)",
    # Archived when there are too many.
    r"audit:(messages|security_events|seals|sealed)",
    r"dlq:messages",
]
"""Keys that need not expire."""


@pytest.fixture
def server():
    with redis_server(port=0, password="operator") as started:
        yield started


@pytest.fixture
async def operator(server):
    async with open_redis(server.url, scripts=SCRIPTS) as opened:
        yield opened


@pytest.fixture
async def keeper(server, operator):
    async with open_subscriber(server.url) as subscriber:
        yield OutsiderKeeper(operator, subscriber, KEYS, KEYRING, Tombstones())


def without_an_end(client):
    """Return the keys that never expire and are not known to be kept."""
    lasting = [key.decode() for key in client.scan_iter() if client.ttl(key) == -1]
    return sorted(key for key in lasting if not any(re.fullmatch(kept, key) for kept in KEPT))


def reaper(redis):
    return HealthMonitor(redis, KEYS, Events(redis, KEYS, KEYRING, "test"), in_flight=60)


async def test_nothing_is_left_of_who_came_and_went(
    running, server, operator, keeper, tmp_path, anyio_backend
):
    url, client = RedisUrl(server.url), server.client()
    with client:
        async with running(at=server.url, permissions=TALK, **{"in": Echo, "old": Echo}) as system:
            outside = AgentRecord(OUT, ("x",))
            file = await enrol_outsider(
                operator, KEYS, KEYRING, outside, ONE, url, now=SYSTEM.wall(), lives=LIVES
            )
            async with mas.connect(file, Echo) as out:
                await out.request("in", "ask", 1, timeout=10)
                await system.agent("in").request("out", "ask", 2, timeout=10)
                with pytest.raises(MessageRefused):
                    await out.send("nobody", "tell", 1, confirm=True)
            grant = await issue_grant(
                operator, KEYS, KEYRING, outside, url, now=time.time(), life=60, token_life=600
            )
            async with mas.connect(await redeem(grant, TWO), Echo) as out:
                await out.request("in", "ask", 1, timeout=10)
                # Asked, and gone before there is an answer.
                await revoke(operator, KEYS, KEYRING, OUT, TWO)
                with pytest.raises((MessageRefused, RequestTimeout)):
                    await out.request("in", "ask", 1, timeout=0.5)
            await system._roster.rotate(system.seats[0].instance)
            await revoke(operator, KEYS, KEYRING, AgentId("old"), system.seats[1].instance)
            await reaper(operator).look()
            client.delete(*client.keys("mas.grant:*:answer"))

            async def forgotten():
                return client.scard(KEYS.grants) == 0

            await until(forgotten)
            # The same files with an agent by another name, in a process that is killed over its mail.
            agents: dict[str, Any] = dict.fromkeys(("in", "new"), "tests.identity.conftest:Echo")
            config = deployment(server.url, permissions=TALK, **agents)
            config["data_dir"] = str(tmp_path / "other")
            async with process(config, "agents", anyio_backend) as killed:
                killed.signal(signal.SIGKILL)
                await killed.ended()
        lapsed = client.keys("agent:*:heartbeat:*") + client.keys("agent:*:token_hash:*")
        assert len([key for key in lapsed if b"new" in key]) == 2
        client.delete(*lapsed)
        await reaper(operator).look()
        await keeper.look()
        assert without_an_end(client) == []
        assert client.acl_users() == ["default"]
        for agent in ("in", "old", "new", "out"):
            assert client.xinfo_consumers(KEYS.stream(AgentId(agent)), AGENT_GROUP) == [], agent


async def test_an_outsider_that_says_for_ever_that_it_lives_leaves_nothing(operator, server, keeper):
    file = await enrol_outsider(
        operator, KEYS, KEYRING, AgentRecord(OUT), ONE, RedisUrl(server.url), now=SYSTEM.wall(), lives=LIVES
    )
    heartbeat = KEYS.heartbeat(OUT, ONE)
    with server.client() as client, blocking.Redis.from_url(file.redis_url.reveal()) as holder:
        client.delete(KEYS.token_hash(OUT, ONE))
        await reaper(operator).look()
        holder.set(heartbeat, "1")
        await keeper.look()
        assert client.acl_users() == ["default"]
        assert without_an_end(client) == []
