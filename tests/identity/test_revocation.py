"""A revoke binds the very next commit, keeps its agent out, and outlives restarts and flushes."""

import logging
from functools import partial

import anyio
import msgspec
import pytest

from mas import EnrolmentRefused, MessageRefused, RequestTimeout
from mas.directory import AgentRecord, Tombstone, Tombstones
from mas.ids import AgentId, InstanceId
from mas.registry import Lives, TombstoneFile, enrol, enrolment, lift, revoke
from tests.identity.conftest import Echo
from tests.identity.waiting import until
from tests.world import KEYRING, KEYS, asking, audit

A, B = AgentId("a"), AgentId("b")
LIVES = Lives(600, 60)


def join(redis, agent=A, instance="one", **how):
    return enrol(redis, KEYS, KEYRING, AgentRecord(agent), InstanceId(instance), now=0, lives=LIVES, **how)


def after(position, records):
    """Return the records that came after a position in the trail."""
    place = tuple(map(int, position.split("-")))
    return [record for entry, record in records if tuple(map(int, entry.split("-"))) > place]


def problems(caplog):
    """Return what was logged as a problem, in one text."""
    return "\n".join(getattr(record, "problem", "") for record in caplog.records)


def trail(client):
    return [
        (entry.decode(), msgspec.json.decode(fields[b"record"]))
        for entry, fields in client.xrange(KEYS.audit_messages)
    ]


async def test_under_load_nothing_is_let_through_after_the_revoke(redis_url, running, redis):
    async with running(a=Echo, b=Echo, c=Echo) as system:
        a, c, b = system.agent("a"), system.agent("c"), system.agent("b")
        sent = 0

        async def flood(agent, scope):
            nonlocal sent
            with scope:
                while True:
                    async with anyio.create_task_group() as some:
                        for n in range(64):
                            some.start_soon(agent.send, "b", "tell", n)
                    sent += 64

        async with anyio.create_task_group() as tasks:
            scopes = [anyio.CancelScope(), anyio.CancelScope()]
            for agent, scope in zip((a, c), scopes, strict=True):
                tasks.start_soon(flood, agent, scope)
            await b.got.reaches(1_000)
            revoked = await revoke(redis, KEYS, KEYRING, A, None, reason="left")
            seen = len(b.got.seen)
            await b.got.reaches(seen + 1_000)
            for scope in scopes:
                scope.cancel()
        await c.send("b", "tell", "the last", confirm=True)
        with asking(redis_url) as client:
            records = after(revoked.position, trail(client))
        mine = [record["decision"] for record in records if record["sender"] == "a"]
        others = [record["decision"] for record in records if record["sender"] == "c"]
        assert len(revoked.instances) == 1
        assert mine
        assert set(mine) == {"AUTH_FAILED"}
        assert set(others) == {"ALLOWED"}
        assert len(others) > 400


async def test_a_revoked_instance_is_cut_off_and_its_sister_is_not(running, redis):
    async with running(a={"class_path": Echo, "instances": 2}, b=Echo) as system:
        one, two = (seat for seat in system.seats if seat.spec.agent_id == "a")
        await revoke(redis, KEYS, KEYRING, A, one.instance)
        with pytest.raises(RequestTimeout):
            await one.life.agent.request("b", "ask", 1, timeout=0.5)
        assert (await two.life.agent.request("b", "ask", 2, timeout=5)).data == 2


async def test_a_revoked_agent_is_stopped_and_comes_back_once_it_is_lifted(running, redis):
    async with running(a=Echo, b=Echo) as system:
        await revoke(redis, KEYS, KEYRING, A, None)
        await until(lambda: system.root.tree().children[-1].children[0].state == "stopped")
        with pytest.raises(MessageRefused, match="a is not active"):
            await system.agent("b").request("a", "ask", timeout=5)
        await lift(redis, KEYS, KEYRING, A, None)
        await until(lambda: not system._tombstones.refuses(A, InstanceId("any")))
        await system.root.start("agents/a")
        assert (await system.agent("b").request("a", "ask", 3, timeout=5)).data == 3


async def test_a_revoke_outlives_the_restart_of_the_runner(running, redis, caplog):
    async with running(a=Echo, b=Echo):
        pass
    await revoke(redis, KEYS, KEYRING, A, None, reason="left the company")
    async with running(a=Echo, b=Echo) as system:
        assert "a was revoked: left the company" in problems(caplog)
        with pytest.raises(MessageRefused, match="not active"):
            await system.agent("b").request("a", "ask", timeout=5)


async def test_a_revoke_outlives_flushall_in_every_process_that_saw_it(running, redis, caplog):
    async with running(a=Echo, b=Echo) as system:
        await revoke(redis, KEYS, KEYRING, A, None)
        await until(lambda: system._tombstones.refuses(A, InstanceId("any")))
        await redis.call("FLUSHALL")
        await until(partial(redis.call, "HEXISTS", KEYS.tombstones, "a"))
        await until(partial(redis.call, "EXISTS", KEYS.agent(B)))
        assert "it was gone from redis, and is put back" in problems(caplog)
        with pytest.raises(EnrolmentRefused):
            await join(redis)


async def test_a_revoke_outlives_flushall_and_restart_together_on_disk(running, redis, tmp_path):
    async with running(a=Echo, b=Echo):
        await revoke(redis, KEYS, KEYRING, A, None)
        await until((tmp_path / "data" / "tombstones.json").exists)
    await redis.call("FLUSHALL")
    async with running(a=Echo, b=Echo):
        assert not await redis.call("EXISTS", KEYS.instances(A))
        assert await redis.call("EXISTS", KEYS.instances(B))
        with pytest.raises(EnrolmentRefused):
            await join(redis)


async def test_a_lift_is_not_undone_by_a_copy_of_the_tombstone_kept_elsewhere(running, redis):
    async with running(a=Echo, b=Echo) as system:
        await revoke(redis, KEYS, KEYRING, A, None)
        await until(lambda: system._tombstones.refuses(A, InstanceId("any")))
    await lift(redis, KEYS, KEYRING, A, None)
    async with running(a=Echo, b=Echo) as system:
        assert (await system.agent("b").request("a", "ask", 1, timeout=5)).data == 1


async def test_a_token_hash_put_back_by_hand_does_not_undo_a_revoke(redis_url, running, redis):
    async with running(a=Echo, b=Echo) as system:
        a = system.agent("a")
        key = KEYS.token_hash(A, system.seats[0].instance)
        stolen = await redis.call("GET", key)
        await revoke(redis, KEYS, KEYRING, A, None)
        await until(lambda: system._tombstones.refuses(A, InstanceId("any")))
        await redis.call("SET", key, stolen)
        await redis.call("HDEL", KEYS.tombstones, "a")
        with pytest.raises(RequestTimeout):
            await a.request("b", "ask", timeout=0.5)
        with asking(redis_url) as client:
            assert {record["decision"] for record in audit(client)} == {"AUTH_FAILED"}


async def test_enrolment_of_the_revoked_is_refused_until_it_is_lifted(redis):
    assert (await join(redis)).record.instance_id == "one"
    gone = await revoke(redis, KEYS, KEYRING, A, None, reason="why not")
    assert gone.instances == ("one",)
    assert not await redis.call("EXISTS", KEYS.token_hash(A, InstanceId("one")))
    for instance in ("one", "two"):
        with pytest.raises(EnrolmentRefused, match="a was revoked: why not"):
            await join(redis, instance=instance)
    await join(redis, agent=B)
    await lift(redis, KEYS, KEYRING, A, None)
    await join(redis)


async def test_a_revoke_of_one_instance_leaves_the_agent_its_others(redis):
    await join(redis, instance="one")
    await join(redis, instance="two")
    assert (await revoke(redis, KEYS, KEYRING, A, InstanceId("one"))).instances == ("one",)
    assert await redis.call("EXISTS", KEYS.token_hash(A, InstanceId("two")))
    assert await redis.call("HGET", KEYS.agent(A), "status") == b"active"
    with pytest.raises(EnrolmentRefused, match="a:one was revoked"):
        await join(redis, instance="one")
    await join(redis, instance="three")


async def test_a_tombstone_that_is_not_ours_keeps_out_all_the_same(redis):
    await redis.call("HSET", KEYS.tombstones, "a", "0" * 64 + ' {"agent_id":"a","at":1,"revoked":false}')
    with pytest.raises(EnrolmentRefused, match="MAC is missing or wrong"):
        await join(redis)
    await lift(redis, KEYS, KEYRING, A, None)
    await join(redis)


async def test_an_enrolment_that_races_a_revoke_does_not_win(redis, monkeypatch):
    looked: list[object] = []
    real = enrolment._refuse_revoked

    async def look_and_be_overtaken(*about):
        seen = await real(*about)
        if not looked:
            looked.append(seen)
            await revoke(redis, KEYS, KEYRING, A, None)
        return seen

    monkeypatch.setattr(enrolment, "_refuse_revoked", look_and_be_overtaken)
    with pytest.raises(EnrolmentRefused):
        await join(redis)
    assert not await redis.call("EXISTS", KEYS.token_hash(A, InstanceId("one")))


def test_what_is_known_of_revocations_is_the_last_word_about_each():
    whole, lifted = Tombstone(A, 1.0), Tombstone(A, 2.0, revoked=False)
    one = Tombstone(A, 1.5, InstanceId("one"))
    for order in ((whole, lifted, one), (lifted, one, whole), (one, whole, lifted)):
        known = Tombstones(order)
        assert known.refuses(A, InstanceId("one")) == one
        assert known.refuses(A, InstanceId("two")) is None
        assert known.refuses(B, InstanceId("one")) is None


def test_the_file_keeps_the_later_word_and_nothing_that_is_not_ours(tmp_path, caplog):
    file = TombstoneFile(tmp_path / "deep" / "data", KEYS, KEYRING.record)
    assert file.load() == []
    file.keep([Tombstone(A, 1.0), Tombstone(B, 1.0)])
    file.keep([Tombstone(A, 2.0, revoked=False)])
    assert {(t.field, t.revoked) for t in file.load()} == {("a", False), ("b", True)}
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.path.write_text(file.path.read_text().replace('"a"', '"x"'))
    with caplog.at_level(logging.CRITICAL):
        assert {t.field for t in file.load()} == {"b"}
    assert "not ours" in caplog.text
    file.path.write_text("torn")
    assert file.load() == []
