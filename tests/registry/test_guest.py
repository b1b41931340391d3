"""A guest: an instance that joins for a moment, and leaves all as it was."""

import time
from contextlib import asynccontextmanager

import anyio
import pytest

from mas.audit import SCRIPTS as AUDIT_SCRIPTS
from mas.audit import Events
from mas.directory import AgentRecord, Tombstone, Tombstones
from mas.errors import EnrolmentRefused
from mas.ids import AgentId, InstanceId
from mas.redis import open_redis
from mas.registry import SCRIPTS, HealthMonitor, Lives, enrol, list_agents, revoke, visiting
from tests.world import KEYRING, KEYS, asking

A, ONE = AgentId("a"), InstanceId("one")
LIVES = Lives(60.0, in_flight=50.0)


@pytest.fixture
def client(redis_url):
    with asking(redis_url) as opened:
        yield opened


@pytest.fixture
async def redis(redis_url):
    async with open_redis(redis_url, scripts=(*SCRIPTS, *AUDIT_SCRIPTS)) as opened:
        yield opened


@asynccontextmanager
async def visit(redis, **how):
    events = Events(redis, KEYS, KEYRING, "test")
    async with visiting(redis, KEYS, KEYRING, A, lives=LIVES, events=events, actor="ann", **how) as guest:
        yield guest


async def enrolled(redis, **more):
    record = AgentRecord(A, ("x",), {"shift": "night"}, **more)
    await enrol(redis, KEYS, KEYRING, record, ONE, now=time.time(), lives=LIVES)


def everything(client):
    """Return what all keys hold but those of the audit trail."""
    return {key: client.dump(key) for key in client.scan_iter() if not key.startswith(b"audit:")}


async def test_a_guest_of_nobody_known_registers_nobody_and_leaves_nothing(redis, client):
    async with visit(redis) as guest:
        instance = guest.credential.instance_id
        assert client.smembers(KEYS.instances(A)) == {instance.encode()}
        assert not client.hexists(KEYS.agent(A), "record")
        assert not client.exists(KEYS.stream(A))
        (group,) = client.xinfo_groups(KEYS.instance_stream(A, instance))
        assert group["name"] == b"agents"
        assert client.ttl(KEYS.token_hash(A, instance)) > 0
        assert client.ttl(KEYS.heartbeat(A, instance)) > 0
    assert everything(client) == {}


async def test_a_guest_leaves_the_registration_and_the_mail_of_its_agent_as_they_are(redis, client):
    await enrolled(redis)
    client.hset(KEYS.agent(A), "status", "inactive")
    before = everything(client)
    heard = client.pubsub()
    heard.subscribe("mas.system")
    heard.get_message(timeout=1)
    async with visit(redis):
        assert client.smembers(KEYS.capability("x")) == {b"a"}
        assert b"INSTANCE_JOIN" in heard.get_message(timeout=1)["data"]
    heard.close()
    # What expires is counted down meanwhile, and dumped without that.
    assert everything(client) == before


async def test_the_token_of_a_guest_that_is_owed_a_decision_lives_on_and_the_registry_ends_it(redis, client):
    async with visit(redis) as guest:
        instance, guest.owed = guest.credential.instance_id, True
    assert 0 < client.ttl(KEYS.token_hash(A, instance)) <= LIVES.in_flight
    monitor = HealthMonitor(redis, KEYS, Events(redis, KEYS, KEYRING, "service"), in_flight=LIVES.in_flight)
    assert await monitor.look() == []
    client.delete(KEYS.token_hash(A, instance))
    assert await monitor.look() == [(A, instance)]
    assert everything(client) == {}


async def test_one_that_left_is_listed_as_such_while_its_token_lives_on(redis):
    async def listed():
        (agent,) = await list_agents(redis, KEYS, KEYRING)
        return [(one.guest, one.alive, one.left) for one in agent.instances]

    async with visit(redis) as guest:
        guest.owed = True
        assert await listed() == [(True, True, False)]
    assert await listed() == [(True, False, True)]


async def test_a_guest_that_dies_is_found(redis, client):
    async with visit(redis) as guest:
        instance, guest.owed = guest.credential.instance_id, True
        kept = {key: client.dump(key) for key in client.scan_iter("*guest*")}
    # As it is when the process is killed, once its last sign of life has lapsed.
    for key, value in kept.items():
        if b"heartbeat" not in key:
            client.restore(key, 50_000 if b"token" in key else 0, value, replace=True)
    monitor = HealthMonitor(redis, KEYS, Events(redis, KEYS, KEYRING, "service"), in_flight=LIVES.in_flight)
    assert await monitor.look() == [(A, instance)]
    assert not client.exists(KEYS.instance_stream(A, instance))


async def test_a_guest_that_is_cut_short_is_signed_off(redis, client):
    with anyio.CancelScope() as scope:
        async with visit(redis):
            scope.cancel()
            await anyio.sleep_forever()
    assert everything(client) == {}


async def test_what_the_visit_raises_comes_out_and_the_guest_is_signed_off(redis, client):
    with pytest.RaisesGroup(LookupError):
        async with visit(redis):
            raise LookupError
    assert everything(client) == {}


async def test_the_visit_of_one_whose_token_is_revoked_ends(redis, client):
    with anyio.fail_after(30), pytest.raises(EnrolmentRefused, match="it is gone from redis"):
        async with visit(redis):
            await revoke(redis, KEYS, KEYRING, A, None)
            await anyio.sleep_forever()
    assert client.smembers(KEYS.instances(A)) == set()


async def test_a_tombstone_in_redis_or_on_this_disk_forbids(redis, client):
    kept = Tombstones([Tombstone(A, time.time(), reason="no more")])
    with pytest.raises(EnrolmentRefused, match="no more"):
        async with visit(redis, refuses=kept.refuses):
            pass
    await revoke(redis, KEYS, KEYRING, A, None, reason="never")
    with pytest.raises(EnrolmentRefused, match="never"):
        async with visit(redis):
            pass
    assert not client.exists(KEYS.instances(A))


async def test_an_agent_that_runs_elsewhere_has_no_guests_here(redis, client):
    await enrolled(redis, outside=True)
    client.delete(KEYS.instances(A))
    before = everything(client)
    with pytest.raises(EnrolmentRefused, match="elsewhere, with credentials of its own"):
        async with visit(redis):
            pass
    assert everything(client) == before
