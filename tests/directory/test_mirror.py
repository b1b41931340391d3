"""The gateway's picture: what carries no MAC does not exist, and what is gone is denied."""

import time

import pytest

from mas.directory import AgentRecord, Mirror, Policy, PolicyKeeper, Rule, store, write_policy
from mas.errors import IntegrityError
from mas.ids import AgentId, InstanceId
from mas.redis import open_redis
from mas.registry import SCRIPTS, Lives, enrol
from tests.world import KEYRING, KEYS, asking

A, B, ONE = AgentId("a"), AgentId("b"), InstanceId("one")
RULES = [Rule("allow", "a", "b")]


@pytest.fixture
def client(redis_url):
    with asking(redis_url) as opened:
        yield opened


@pytest.fixture
async def redis(redis_url):
    async with open_redis(redis_url, scripts=SCRIPTS) as opened:
        yield opened


@pytest.fixture
def alarms():
    return []


@pytest.fixture
def mirror(redis, alarms):
    return Mirror(redis, KEYS, KEYRING, alarm=alarms.append)


async def join(redis, agent, *capabilities):
    record = AgentRecord(agent, capabilities)
    lives = Lives(60, in_flight=60)
    return (await enrol(redis, KEYS, KEYRING, record, ONE, now=time.time(), lives=lives)).credential


async def test_it_knows_who_enrolled_and_forgets_who_is_gone(redis, client, mirror):
    await join(redis, A, "x")
    await mirror.load()
    assert mirror.agents[A].capabilities == ("x",)
    assert mirror.is_active(A)
    client.hset("agent:a", "status", "inactive")
    await mirror.load_agents([A])
    assert not mirror.is_active(A)
    client.srem("mas.agents", "a")
    await mirror.load_listed_agents()
    assert A not in mirror.agents


async def test_a_registration_without_its_mac_or_of_another_agent_is_left_out_with_an_alarm(
    redis, client, mirror, alarms
):
    await join(redis, A)
    await join(redis, B)
    client.hset("agent:a", "record", client.hget("agent:b", "record"))
    client.hset("agent:b", "record", b"0" * 64 + b' {"agent_id":"b"}')
    await mirror.load()
    assert mirror.agents == {}
    assert len(alarms) == 2
    moved = store(KEYRING.record, "agent:a", "record", AgentRecord(B))
    client.hset("agent:a", "record", moved)
    await mirror.load_agents([A])
    assert A not in mirror.agents


async def test_an_instance_is_learned_by_its_record_and_its_token_is_what_enrolment_gave(redis, mirror):
    credential = await join(redis, A)
    assert mirror.sender(A, ONE) is None
    await mirror.learn_senders([(A, ONE), (A, InstanceId("none"))])
    sender = mirror.sender(A, ONE)
    assert sender is not None
    assert sender.token == credential.token
    assert mirror.sender(A, InstanceId("none")) is None


async def test_an_enrolment_put_there_by_hand_or_moved_from_another_instance_is_no_enrolment(
    redis, client, mirror, alarms
):
    await join(redis, A)
    client.hset("agent:a", "instance:two", client.hget("agent:a", "instance:one"))
    client.hset("agent:b", "instance:one", client.hget("agent:a", "instance:one"))
    await mirror.learn_senders([(A, InstanceId("two")), (B, ONE)])
    assert mirror.sender(A, InstanceId("two")) is None
    assert mirror.sender(B, ONE) is None
    assert [type(alarm) for alarm in alarms] == [IntegrityError] * 2


async def test_a_new_enrolment_replaces_the_token_on_another_look(redis, mirror):
    await join(redis, A)
    await mirror.learn_senders([(A, ONE)])
    again = await join(redis, A)
    assert mirror.sender(A, ONE).token != again.token
    await mirror.look_again([(A, ONE)])
    assert mirror.sender(A, ONE).token == again.token


async def test_a_policy_that_is_gone_or_forged_denies_everything(redis, client, mirror, alarms):
    client.set("mas.policy", write_policy(KEYRING.record, KEYS, Policy(RULES)))
    await mirror.load_policy()
    assert mirror.policy.decide(A, B, "x").allowed
    forged = write_policy(b"f" * 32, KEYS, Policy(RULES))
    client.set("mas.policy", forged)
    await mirror.load_policy()
    assert not mirror.policy.decide(A, B, "x").allowed
    assert mirror.fence == forged[:32].decode()
    assert len(alarms) == 1
    client.delete("mas.policy")
    await mirror.load_policy()
    assert not mirror.policy.decide(A, B, "x").allowed
    assert mirror.fence == ""


async def test_the_keeper_publishes_once_and_replaces_what_is_not_its_own(redis, client):
    keeper = PolicyKeeper(redis, KEYS, KEYRING, RULES)
    assert await keeper.publish(RULES)
    stored = client.get("mas.policy")
    assert not await keeper.publish(RULES)
    assert client.get("mas.policy") == stored
    assert await keeper.publish([])
    client.set("mas.policy", write_policy(b"f" * 32, KEYS, Policy(RULES)))
    assert await keeper.publish(RULES)
    assert client.get("mas.policy") != stored
