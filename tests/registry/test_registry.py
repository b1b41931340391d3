"""An instance joins, lives, and leaves or dies."""

import time

import pytest

from mas.audit import Events
from mas.directory import AgentRecord
from mas.errors import InvalidId
from mas.ids import AgentId, InstanceId
from mas.redis import open_redis
from mas.registry import SCRIPTS, HealthMonitor, Heartbeat, Lives, enrol, leave
from mas.trust.keyring import token_hash
from tests.world import KEYRING, KEYS, Tally, asking

A, ONE, TWO = AgentId("a"), InstanceId("one"), InstanceId("two")
IN_FLIGHT = 50.0


@pytest.fixture
def client(redis_url):
    with asking(redis_url) as opened:
        yield opened


@pytest.fixture
async def redis(redis_url):
    async with open_redis(redis_url, scripts=SCRIPTS) as opened:
        yield opened


async def join(redis, instance=ONE, *, agent=A, token_life=60.0, capabilities=("x", "y")):
    record = AgentRecord(agent, capabilities)
    lives = Lives(token_life, in_flight=IN_FLIGHT)
    enrolled = await enrol(redis, KEYS, KEYRING, record, instance, now=time.time(), lives=lives)
    return enrolled.credential


async def leaves(redis, **how):
    return await leave(redis, KEYS, A, ONE, in_flight=IN_FLIGHT, **how)


def monitor_of(redis):
    events = Events(redis, KEYS, KEYRING, "service")
    return HealthMonitor(redis, KEYS, events, in_flight=IN_FLIGHT)


async def test_joining_writes_everything_at_once_and_the_token_nowhere(redis, client):
    heard = client.pubsub()
    heard.subscribe("mas.system")
    heard.get_message(timeout=1)
    credential = await join(redis)
    assert client.smembers("mas.agents") == {b"a"}
    assert client.smembers("agent:a:instances") == {b"one"}
    assert client.hget("agent:a", "status") == b"active"
    assert client.get("agent:a:token_hash:one") == token_hash(credential.token).encode()
    assert 50 < client.ttl("agent:a:token_hash:one") <= 60
    assert 0 < client.ttl("agent:a:heartbeat:one") <= 15
    assert client.smembers("mas.capability:x") == client.smembers("mas.capability:y") == {b"a"}
    for stream in ("agent.stream:a", "agent.stream:a:one"):
        (group,) = client.xinfo_groups(stream)
        assert (group["name"], group["last-delivered-id"]) == (b"agents", b"0-0")
    events = [heard.get_message(timeout=1)["data"] for _ in range(2)]
    assert [b"REGISTER" in events[0], b"INSTANCE_JOIN" in events[1]] == [True, True]
    heard.close()
    everything = b"".join(client.dump(key) for key in client.scan_iter())
    assert credential.token not in everything
    assert credential.token.hex().encode() not in everything


async def test_the_index_of_capabilities_follows_what_an_agent_offers_now(redis, client):
    await join(redis, capabilities=("x", "y"))
    await join(redis, agent=AgentId("b"), capabilities=("y",))
    await join(redis, capabilities=("y", "z"))
    found = {name: client.smembers(f"mas.capability:{name}") for name in "xyz"}
    assert found == {"x": set(), "y": {b"a", b"b"}, "z": {b"a"}}


async def test_a_capability_that_could_bend_a_key_joins_nobody(redis, client):
    with pytest.raises(InvalidId, match="not a valid capability"):
        await join(redis, capabilities=("x", "y\nz"))
    assert client.keys("*") == []


async def test_joining_again_gives_another_token_and_ends_the_first(redis, client):
    first = await join(redis)
    second = await join(redis)
    assert first.token != second.token
    assert client.get("agent:a:token_hash:one") == token_hash(second.token).encode()


@pytest.mark.parametrize(
    "bad",
    ["", "a:b", "*", "a?", "[a]", "{a}", "a\n", "a\0", "../a", "mas.gateway", "ä", "a" * 129, "a" * 10_000],
)
async def test_no_id_that_could_bend_a_key_is_enrolled(redis, client, bad):
    with pytest.raises(InvalidId):
        await join(redis, agent=bad)
    if not bad.startswith("mas."):
        with pytest.raises(InvalidId):
            await join(redis, bad)
    assert client.keys() == []


async def test_leaving_keeps_the_token_until_what_was_submitted_is_decided(redis, client):
    await join(redis)
    assert await leaves(redis)
    assert client.exists("agent:a:token_hash:one")
    assert client.hexists("agent:a", "instance:one")
    assert not client.exists("agent:a:heartbeat:one")
    assert not client.exists("agent.stream:a:one")
    client.delete("agent:a:token_hash:one")
    assert await monitor_of(redis).look() == [(A, ONE)]
    assert client.smembers("agent:a:instances") == set()
    assert not client.hexists("agent:a", "instance:one")
    assert client.hexists("agent:a", "record")
    assert await monitor_of(redis).look() == []


async def test_a_dead_instance_is_found_and_a_living_one_is_left_alone(redis, client):
    await join(redis, ONE)
    await join(redis, TWO)
    monitor = monitor_of(redis)
    assert await monitor.look() == []
    client.delete("agent:a:heartbeat:one")
    assert await monitor.look() == [(A, ONE)]
    assert client.exists("agent.stream:a:two")
    assert await monitor.look() == []


async def test_one_that_runs_elsewhere_is_there_for_as_long_as_its_token_however_long_it_beats(redis, client):
    outside, lives = AgentRecord(A, outside=True), Lives(60, IN_FLIGHT)
    await enrol(redis, KEYS, KEYRING, outside, ONE, now=time.time(), lives=lives)
    monitor = monitor_of(redis)
    assert await monitor.look() == []
    # Its own Redis user lets it say so without an end.
    client.set("agent:a:heartbeat:one", "1")
    client.delete("agent:a:token_hash:one")
    assert await monitor.look() == [(A, ONE)]
    assert client.smembers("agent:a:instances") == set()
    assert client.keys("agent:a:*") == []
    assert await monitor.look() == []


async def test_what_a_leaver_holds_stays_pending_and_its_consumer_with_it(redis, client):
    await join(redis)
    client.xadd("agent.stream:a", {"n": 1})
    client.xreadgroup("agents", "one", {"agent.stream:a": ">"})
    await leaves(redis)
    assert client.xpending("agent.stream:a", "agents")["pending"] == 1
    assert len(client.xinfo_consumers("agent.stream:a", "agents")) == 1
    client.xack(
        "agent.stream:a",
        "agents",
        *[p["message_id"] for p in client.xpending_range("agent.stream:a", "agents", "-", "+", 9)],
    )
    await leaves(redis)
    assert client.xinfo_consumers("agent.stream:a", "agents") == []


async def test_a_beat_renews_the_heartbeat_alone_and_reports_a_token_that_is_gone(redis, client):
    lost = Tally()

    async def note(agent, instance):
        lost.note((agent, instance))

    heart = Heartbeat(redis, KEYS, note)
    for instance in (ONE, TWO):
        await join(redis, instance)
        heart.join(A, instance)
    client.pexpire("agent:a:heartbeat:one", 10)
    client.expire("agent:a:token_hash:one", 5)
    client.delete("agent:a:token_hash:two", "agent:a:heartbeat:two")
    await heart.beat()
    assert client.ttl("agent:a:heartbeat:one") > 10
    assert client.ttl("agent:a:token_hash:one") <= 5
    assert lost.seen == [(A, TWO)]
    assert not client.exists("agent:a:heartbeat:two")
    heart.leave(A, TWO)
    await heart.beat()
    assert lost.seen == [(A, TWO)]


async def test_strange_members_of_the_registry_harm_nobody(redis, client):
    await join(redis)
    client.sadd("mas.agents", "a:b", "*", b"\xff", "%w", "@A", "x" * 1000)
    client.sadd("agent:a:instances", "..", b"\xff\n", "@I%0", "%1")
    client.delete("agent:a:heartbeat:one")
    assert await monitor_of(redis).look() == [(A, ONE)]


async def test_whoever_joins_clears_away_the_consumers_of_nobody(redis, client):
    await join(redis, ONE)
    for n in range(2):
        client.xadd("agent.stream:a", {"n": n})
    client.xreadgroup("agents", "one", {"agent.stream:a": ">"}, count=1)
    client.xreadgroup("agents", "lost", {"agent.stream:a": ">"}, count=1)
    client.xgroup_createconsumer("agent.stream:a", "agents", "done")
    client.delete("agent:a:token_hash:one", "agent:a:heartbeat:one")
    await monitor_of(redis).look()

    def consumers():
        return {each["name"] for each in client.xinfo_consumers("agent.stream:a", "agents")}

    await join(redis, TWO)
    # What they hold is mail.
    assert consumers() == {b"one", b"lost"}
    held = [each["message_id"] for each in client.xpending_range("agent.stream:a", "agents", "-", "+", 9)]
    client.xclaim("agent.stream:a", "agents", "two", 0, held)
    await join(redis, TWO)
    assert consumers() == {b"two"}
    assert client.xpending("agent.stream:a", "agents")["pending"] == 2
