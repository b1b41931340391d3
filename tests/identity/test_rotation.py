"""Tokens expire and are rotated under running agents, and nothing that was under way is lost."""

import time

import anyio
import pytest

from mas import RequestTimeout
from mas.audit import Events
from mas.directory import AgentRecord
from mas.ids import AgentId, InstanceId
from mas.registry import Lives, Roster, enrol
from mas.system import System
from tests.identity.conftest import Echo, Pen
from tests.identity.waiting import until
from tests.world import KEYRING, KEYS, asking, audit, entries

A, B, ONE = AgentId("a"), AgentId("b"), InstanceId("one")


def roster_of(system: System):
    """Return the roster of a running system."""
    (run,) = (child.run for child in system.root._plan.children if child.name == "roster")
    return getattr(run, "__self__")  # noqa: B009 - it is a bound method


async def test_rotating_again_and_again_under_load_loses_and_refuses_nothing(redis_url, running):
    async with running(a=Echo, b=Echo) as system:
        roster, seat = roster_of(system), system.seats[0]
        a, b = system.agent("a"), system.agent("b")
        done, rotations = anyio.Event(), 0

        async def rotate():
            nonlocal rotations
            while not done.is_set():
                await roster.rotate(seat.instance)
                rotations += 1
                # One token back is kept: long enough, since a rotation comes only when all of it is decided.
                await a.send("b", "tell", "a mark", confirm=True)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(rotate)
            sent = 0
            while rotations < 6:
                sent += 25
                async with anyio.create_task_group() as some:
                    for n in range(25):
                        some.start_soon(a.send, "b", "tell", n)
            done.set()
        await b.got.reaches(sent + rotations)
        with asking(redis_url) as client:
            assert {record["decision"] for record in audit(client) if record["sender"] == "a"} == {"ALLOWED"}


async def test_a_token_is_rotated_at_half_its_life_for_whoever_holds_it(redis):
    events = Events(redis, KEYS, KEYRING, "test")
    roster = Roster(redis, KEYS, KEYRING, {ONE: AgentRecord(A)}, lives=Lives(0.6, 60), events=events)
    async with anyio.create_task_group() as tasks:
        await tasks.start(roster.run)
        held = await roster.admit(ONE)
        seen = {held.token}
        began = time.monotonic()
        for rotations in (1, 2, 3):
            await until(lambda: held.token not in seen)
            seen.add(held.token)
            assert time.monotonic() - began > rotations * 0.25
        tasks.cancel_scope.cancel()


async def test_what_was_signed_before_a_rotation_is_decided_after_it(redis_url, redis, running):
    lives = Lives(600, 60)
    await enrol(redis, KEYS, KEYRING, AgentRecord(B), ONE, now=time.time(), lives=lives)
    join = (redis, KEYS, KEYRING, AgentRecord(A), ONE)
    old = await enrol(*join, now=time.time(), lives=lives)
    entries = [Pen(old.credential).fields("b", at=time.time())]
    new = await enrol(*join, now=time.time(), lives=lives, previous=old.record.epoch)
    entries.append(Pen(new.credential, sequence=2).fields("b", at=time.time()))
    with asking(redis_url) as client:
        for entry in entries:
            client.xadd(KEYS.ingress, entry)
        async with running(b=Echo, permissions=[{"type": "allow", "from": "a", "to": "b"}]) as system:
            await system.agent("b").got.reaches(2)
        assert [record["decision"] for record in audit(client)] == ["ALLOWED", "ALLOWED"]


@pytest.mark.parametrize(
    ("told_at", "stands"),
    [("its expiry", False), ("the end of what was under way", False), ("neither", True)],
)
async def test_no_token_outlives_its_time_whatever_redis_keeps(redis_url, redis, running, told_at, stands):
    now = time.time()
    await enrol(redis, KEYS, KEYRING, AgentRecord(B), ONE, now=now, lives=Lives(6000, 60))
    join = (redis, KEYS, KEYRING, AgentRecord(A), ONE)
    if told_at == "its expiry":
        held = await enrol(*join, now=now - 700, lives=Lives(600, 60))
    else:
        ago = 700 if told_at == "the end of what was under way" else 0
        held = await enrol(*join, now=now - ago, lives=Lives(6000, 60))
        await enrol(*join, now=now - ago, lives=Lives(6000, 60), previous=held.record.epoch)
    for key in (KEYS.token_hash(A, ONE), KEYS.previous_token_hash(A, ONE)):
        await redis.call("PERSIST", key)
    with asking(redis_url) as client:
        client.xadd(KEYS.ingress, Pen(held.credential).fields("b", at=now))
        async with running(b=Echo, permissions=[{"type": "allow", "from": "a", "to": "b"}]):
            await until(lambda: client.xlen(KEYS.audit_messages))
        (record,) = audit(client)
        expected = ("ALLOWED", "") if stands else ("AUTH_FAILED", "the token has expired")
        assert (record["decision"], record.get("reason", "")) == expected


async def test_a_token_whose_hash_expired_in_redis_is_of_no_use(redis_url, redis, running):
    async with running(a=Echo, b=Echo) as system:
        a, instance = system.agent("a"), system.seats[0].instance
        await a.request("b", "ask", timeout=10)
        await redis.call("DEL", KEYS.token_hash(A, instance))
        with pytest.raises(RequestTimeout):
            await a.request("b", "ask", timeout=0.3)
        # Its runner notices, and enrols it again: it was not revoked.
        await until(lambda: redis.call("EXISTS", KEYS.token_hash(A, instance)))
        assert (await a.request("b", "ask", 1, timeout=10)).data == 1
        with asking(redis_url) as client:
            await until(
                lambda: "gone from redis before its time" in str(entries(client, KEYS.audit_security))
            )
