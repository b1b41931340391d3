"""Whoever may write into Redis without the secret can take away, but not grant, join or speak for another."""

import secrets
import time

import msgspec
import pytest

from mas import MessageRefused
from mas.directory import AgentRecord, InstanceRecord, Policy, Rule, Tombstone, instance_field
from mas.directory.policy import write_policy
from mas.directory.records import store
from mas.directory.tombstones import write_tombstone
from mas.ids import AgentId, InstanceId
from mas.registry import Lives, enrol, revoke
from mas.trust import Keyring
from mas.trust.keyring import token_hash
from tests.identity.conftest import Echo, Pen
from tests.identity.waiting import until
from tests.world import KEYRING, KEYS, asking, audit, entries

A, B, ONE = AgentId("a"), AgentId("b"), InstanceId("one")
FORGER = Keyring(b"somebody else's secret")
MAY = [{"type": "allow", "from": "a", "to": "b"}]


def alarms(client):
    """Return what was raised as an alarm: about what, and the problem."""
    told = [msgspec.json.decode(entry["record"]) for entry in entries(client, KEYS.audit_security)]
    return [(each["subject"], each.get("detail", "")) for each in told if each["event"] == "ALARM"]


async def joined(redis, agent=A):
    """Enrol an instance that nobody runs."""
    record = AgentRecord(agent)
    return await enrol(redis, KEYS, KEYRING, record, ONE, now=time.time(), lives=Lives(6000, 60))


@pytest.mark.parametrize("forge", ["no mac", "another secret", "another version"])
async def test_a_hand_made_grant_denies_everything_and_raises_an_alarm(redis_url, running, redis, forge):
    async with running(a=Echo, b=Echo, permissions=MAY) as system:
        assert (await system.agent("a").request("b", "ask", 1, timeout=10)).data == 1
        with pytest.raises(MessageRefused):
            await system.agent("b").request("a", "ask", timeout=10)
        grant = Policy([Rule("allow", "*", "*")])
        forged = {
            "no mac": grant.version.encode() + b" " + b"0" * 64 + b" " + msgspec.json.encode(grant.rules),
            "another secret": write_policy(FORGER.record, KEYS, grant),
            "another version": secrets.token_hex(16).encode() + (await redis.call("GET", KEYS.policy))[32:],
        }[forge]
        await redis.call("SET", KEYS.policy, forged)
        for sender, target in (("b", "a"), ("a", "b")):
            with pytest.raises(MessageRefused, match="AUTHZ_DENIED"):
                await system.agent(sender).request(target, "ask", timeout=10)
        with asking(redis_url) as client:
            await until(lambda: any(KEYS.policy in subject for subject, _ in alarms(client)))


async def test_a_registration_put_in_anothers_place_does_not_exist(redis_url, running, redis):
    async with running(a=Echo, b=Echo, c=Echo) as system:
        other = await redis.call("HGET", KEYS.agent(AgentId("c")), "record")
        await redis.call("HSET", KEYS.agent(B), "record", other)
        await redis.call("PUBLISH", KEYS.system, '{"event":"REGISTER","agent_id":"b"}')
        with asking(redis_url) as client:
            await until(lambda: any("agent:b record" in subject for subject, _ in alarms(client)))
        with pytest.raises(MessageRefused, match="b is not registered"):
            await system.agent("a").request("b", "ask", timeout=10)
        assert (await system.agent("a").request("c", "ask", 1, timeout=10)).data == 1


@pytest.mark.parametrize("forge", ["another secret", "another instance's", "no mac"])
async def test_an_enrolment_that_nobody_made_proves_nothing(redis_url, running, redis, forge):
    record = InstanceRecord(InstanceId("evil"), secrets.token_hex(16), time.time(), time.time() + 600)
    place, field = KEYS.agent(A), instance_field(record.instance_id)
    mine = (await joined(redis)).credential
    await joined(redis, B)
    stored = {
        "another secret": store(FORGER.record, place, field, record),
        "another instance's": await redis.call("HGET", place, instance_field(ONE)),
        "no mac": msgspec.json.encode(record),
    }[forge]
    forger = FORGER.credential(A, record.instance_id, record.epoch)
    credential = mine if forge == "another instance's" else forger
    await redis.call("HSET", place, field, stored)
    await redis.call("SADD", KEYS.instances(A), "evil")
    await redis.call("SET", KEYS.token_hash(A, record.instance_id), token_hash(credential.token))
    with asking(redis_url) as client:
        async with running(permissions=MAY):
            fields = Pen(credential).fields("b", at=time.time(), instance="evil", sender_instance="evil")
            client.xadd(KEYS.ingress, fields)
            await until(lambda: client.xlen(KEYS.audit_messages))
            await until(lambda: any("instance:evil" in subject for subject, _ in alarms(client)))
        assert [record["decision"] for record in audit(client)] == ["AUTH_FAILED"]
        assert not client.xlen(KEYS.stream(B))


@pytest.mark.parametrize("algorithm", ["none", "hmac-sha1", ""])
async def test_an_enrolment_under_another_algorithm_is_none_even_with_its_mac(
    redis_url, running, redis, algorithm
):
    held = await joined(redis)
    place, field = KEYS.agent(A), instance_field(ONE)
    other = msgspec.structs.replace(held.record, algorithm=algorithm)
    await redis.call("HSET", place, field, store(KEYRING.record, place, field, other))
    with asking(redis_url) as client:
        async with running(b=Echo, permissions=MAY):
            client.xadd(KEYS.ingress, Pen(held.credential).fields("b", at=time.time()))
            await until(lambda: client.xlen(KEYS.audit_messages))
        assert [record["decision"] for record in audit(client)] == ["AUTH_FAILED"]
        assert [subject for subject, problem in alarms(client) if "does not describe" in problem]


async def test_taking_over_a_registration_from_outside_gives_no_way_in(redis_url, running, redis):
    # Somebody with full Redis rights puts the hash of a token of its own in an enrolled agent's place.
    async with running(a=Echo, b=Echo) as system:
        seat = system.seats[0]
        stolen = FORGER.credential(A, seat.instance, "0" * 32)
        await redis.call("SET", KEYS.token_hash(A, seat.instance), token_hash(stolen.token))
        with asking(redis_url) as client:
            client.xadd(KEYS.ingress, Pen(stolen).fields("b", at=time.time()))
            await until(lambda: client.xlen(KEYS.audit_messages))
            assert [record["decision"] for record in audit(client)] == ["SIGNATURE_INVALID"]


async def test_a_lift_by_hand_lifts_nothing(redis_url, running, redis):
    async with running(a=Echo, b=Echo) as system:
        await revoke(redis, KEYS, KEYRING, A, None)
        await until(lambda: system._tombstones.refuses(A, ONE))
        forged = Tombstone(A, time.time() + 100, revoked=False)
        await redis.call("HSET", KEYS.tombstones, "a", write_tombstone(FORGER.record, KEYS, forged))
        with asking(redis_url) as client:
            await until(lambda: any("mas.tombstones a" in subject for subject, _ in alarms(client)))
            await until(lambda: client.hget(KEYS.tombstones, "a")[64:].count(b'"revoked":false') == 0)
        assert system._tombstones.refuses(A, ONE)
