"""S1 to S6, S14, S16, S19, S21: what somebody could put where, and that nobody listens."""

import json
import logging
import time
from typing import Any

import anyio
import pytest

from mas import Agent, MessageRefused
from mas.gateway import stages
from mas.ids import AgentId, InstanceId
from mas.trust import Permit, seal
from tests.hand import Hand, decided, enrolled
from tests.redis.waiting import until
from tests.world import KEYRING, KEYS, SECRET, Tally, asking, audit, entries, letters, running

PERMISSIONS = [
    {"type": "allow", "from": ["a", "hand", "third"], "to": "b"},
    {"type": "allow", "from": "a", "to": "hand"},
]


class Receiver(Agent[dict[str, Any]]):
    def __init__(self, agent_id, **more):
        super().__init__(agent_id, **more)
        self.got = Tally()

    async def on_message(self, message):
        self.got.note(message.data)


@pytest.fixture
async def world(redis_url):
    with asking(redis_url) as client:
        async with running(redis_url, permissions=PERMISSIONS, a=Receiver, b=Receiver) as system:
            yield system, client, await enrolled(system, client, "hand")


def decisions(client: Any) -> list[str]:
    return [record["decision"] for record in audit(client)]


def alarms(client: Any) -> list[bytes]:
    events = [event[b"record"] for _, event in client.xrange("audit:security_events")]
    return [event for event in events if b"ALARM" in event]


async def handled(system: Any, client: Any) -> Any:
    """Return what b has handled once nothing moves any more."""
    await decided(client)
    await until(lambda: client.xlen("agent.stream:b") == 0)
    seen: list[Any] = system.agent("b").got.seen
    return seen


async def test_a_forged_sender_is_refused_whatever_it_signs_with(world):
    system, client, hand = world
    envelope = hand.envelope("b", data="forged")
    as_a = encode_as(envelope, sender_id="a")
    hand.submit(hand.fields(as_a))  # the envelope names another than the credential
    seat = system.seats[0]
    claimed = {**hand.fields(as_a), b"agent": b"a"}  # a stranger's instance
    hand.submit(claimed)
    hand.submit({**claimed, b"instance": seat.instance.encode()})  # a's own instance, another's token
    hand.submit({**hand.fields(envelope), b"signature": b"0" * 64})
    hand.submit({**hand.fields(envelope), b"signature": b""})
    hand.submit({**hand.fields(envelope), b"signature": b"\xff\x00"})
    assert await handled(system, client) == []
    assert set(decisions(client)) == {"AUTH_FAILED", "SIGNATURE_INVALID"}
    assert len(decisions(client)) == 6
    assert hand.mail() == []
    assert all(letter.get("envelope") is None for letter in letters(client))


def encode_as(envelope: bytes, **changes: Any) -> bytes:
    return json.dumps({**json.loads(envelope), **changes}, separators=(",", ":")).encode()


async def test_any_flipped_bit_of_a_submission_is_refused(world):
    system, client, hand = world
    fields = hand.fields(hand.envelope("b", data="x"))
    expected = 0
    for name, value in fields.items():
        for at in range(0, len(value), 3):
            flipped = value[:at] + bytes([value[at] ^ 1 << (at % 7)]) + value[at + 1 :]
            client.xadd(KEYS.ingress, {**fields, name: flipped})
            expected += 1
    await decided(client)
    assert await handled(system, client) == []
    assert len(decisions(client)) == expected
    assert set(decisions(client)) <= {"MALFORMED", "AUTH_FAILED", "SIGNATURE_INVALID"}
    hand.submit(fields)
    assert await handled(system, client) == ["x"]


async def test_a_stolen_proof_works_for_its_own_instance_only(world):
    system, client, hand = world
    other = await enrolled(system, client, "hand", "other")
    stolen = hand.fields(hand.envelope("b", data="stolen"))
    hand.submit({**stolen, b"instance": b"other"})
    other.submit(other.fields(hand.envelope("b", data="stolen")))
    as_other = encode_as(hand.envelope("b", data="stolen"), meta={"sender_instance_id": "other"})
    hand.submit({**hand.fields(as_other), b"instance": b"other"})
    assert await handled(system, client) == []
    assert set(decisions(client)) == {"AUTH_FAILED", "SIGNATURE_INVALID"}


async def test_a_revoked_token_binds_at_the_next_commit_and_a_new_one_does_not_revive_the_old(world):
    system, client, hand = world
    hand.send("b", data=1)
    assert await handled(system, client) == [1]
    old = hand.fields(hand.envelope("b", data="late"))
    client.delete("agent:hand:token_hash:hand")
    hand.submit(old)
    await decided(client)
    again = await enrolled(system, client, "hand")
    hand.send("b", data="with the old token")
    again.send("b", data=2)
    assert await handled(system, client) == [1, 2]
    assert decisions(client) == ["ALLOWED", "AUTH_FAILED", "SIGNATURE_INVALID", "ALLOWED"]


async def test_a_submission_copied_any_number_of_times_is_accepted_once(world):
    system, client, hand = world
    fields = hand.fields(hand.envelope("b", data="once"))
    for _ in range(200):
        hand.submit(fields)
    assert await handled(system, client) == ["once"]
    assert sorted(decisions(client)) == ["ALLOWED"] + ["REPLAYED"] * 199


async def test_copies_of_a_refused_submission_are_refused_too_and_none_is_left_pending(world):
    system, client, hand = world
    fields = hand.fields(hand.envelope("a", data="never"))
    for _ in range(100):
        hand.submit(fields)
    assert await handled(system, client) == []
    assert sorted(decisions(client)) == ["AUTHZ_DENIED"] + ["REPLAYED"] * 99
    assert len(hand.mail()) == 1


@pytest.mark.parametrize("off", [-301, 301, 1e6, -1e6])
async def test_a_signed_time_off_redis_clock_is_refused(world, off):
    system, client, hand = world
    hand.submit(hand.fields(hand.envelope("b", data="x"), at=time.time() + off))
    assert await handled(system, client) == []
    assert decisions(client) == ["EXPIRED"]
    hand.submit(hand.fields(hand.envelope("b", data="y"), at=time.time() + (290 if off > 0 else -290)))
    assert await handled(system, client) == ["y"]


async def test_a_message_past_its_own_expiry_is_refused(world):
    system, client, hand = world
    hand.send("b", data="late", expires_at=time.time() - 1)
    hand.send("b", data="in time", expires_at=time.time() + 60)
    assert await handled(system, client) == ["in time"]
    assert decisions(client) == ["EXPIRED", "ALLOWED"]


async def test_what_is_put_straight_into_a_delivery_stream_is_not_handled(world, caplog):
    system, client, hand = world
    envelope = hand.envelope("b", data="forged")
    route = f"1-1 {int(time.time()) + 1000} "
    wrong_key = seal(b"k" * 32, "b", "", route, envelope)
    of_another = seal(KEYRING.seal(AgentId("a")), "b", "", route, envelope)
    for sealed in (wrong_key, of_another, "", "0" * 64):
        client.xadd("agent.stream:b", {"envelope": envelope, "route": route, "seal": sealed})
    client.xadd("agent.stream:b", {"x": "y"})
    client.xadd("agent.stream:b", {"envelope": b"\xff", "route": b"\xff", "seal": b"\xff"})
    client.publish("mas.ring:b", "")
    await until(lambda: client.xlen("agent.stream:b") == 0)
    hand.send("b", data="right")
    assert await handled(system, client) == ["right"]
    assert caplog.text.count("was not sealed by a gateway") == 6


async def test_a_copy_of_a_sealed_delivery_is_handled_neither_again_nor_elsewhere(redis_url):
    begun, release = anyio.Event(), anyio.Event()

    class Holds(Receiver):
        async def on_message(self, message):
            begun.set()
            await release.wait()
            self.got.note(message.data)

    with asking(redis_url) as client:
        async with running(redis_url, permissions=PERMISSIONS, a=Receiver, b=Holds) as system:
            instance = system.seats[1].instance
            await system.agent("a").send("b", "x", "once")
            await begun.wait()
            ((_, sealed),) = client.xrange("agent.stream:b")
            client.xadd("agent.stream:b", sealed)  # while the first is being handled
            client.xadd("agent.stream:a", sealed)
            client.xadd(f"agent.stream:b:{instance}", sealed)
            for agent in "ab":
                client.publish(f"mas.ring:{agent}", "")
            await until(lambda: client.xlen("agent.stream:a") == 0)
            await until(lambda: client.xlen(f"agent.stream:b:{instance}") == 0)
            release.set()
            await until(lambda: client.xlen("agent.stream:b") == 0)
            client.xadd("agent.stream:b", sealed)  # after it was settled
            client.publish("mas.ring:b", "")
            await until(lambda: client.xlen("agent.stream:b") == 0)
            await system.agent("a").send("b", "x", "twice")
            assert await system.agent("b").got.reaches(2) == ["once", "twice"]
            assert system.agent("a").got.seen == []


@pytest.mark.parametrize("stream", ["audit:messages", "dlq:messages"])
async def test_where_no_record_can_follow_nothing_is_delivered_until_one_can(world, stream):
    system, client, hand = world
    hand.send("b", data="before")
    assert await handled(system, client) == ["before"]
    last = "18446744073709551615-18446744073709551615"
    client.xadd(stream, {"x": "y"}, id=last)
    for number in range(3):
        hand.send("b", data=number)
    await until(lambda: any(b"last possible id" in event for event in alarms(client)))
    assert client.xlen("audit:messages") == 1 + (stream == "audit:messages")
    assert client.xlen("agent.stream:b") == 0
    with client.pipeline() as at_once:
        for entry, fields in client.xrange(stream)[:-1]:
            at_once.xadd("copy", fields, id=entry)
        at_once.delete(stream)
        if stream == "audit:messages":
            at_once.rename("copy", stream)
        at_once.execute()
    await until(lambda: len(decisions(client)) == 4)
    assert await handled(system, client) == ["before", 0, 1, 2]


async def test_a_third_agent_cannot_answer_with_the_right_correlation_id(world):
    system, client, hand = world
    third = await enrolled(system, client, "third")
    async with anyio.create_task_group() as tasks:
        answers = Tally()

        async def ask():
            answers.note(await system.agent("a").request("hand", "ask", timeout=10))

        tasks.start_soon(ask)
        await until(lambda: client.xlen("agent.stream:hand") > 0)
        _, fields = client.xrange("agent.stream:hand")[-1]
        correlation = json.loads(fields[b"envelope"])["meta"]["correlation_id"]
        permit = fields[b"route"].decode().split(" ")[2]
        forged = Permit(InstanceId(system.seats[0].instance), 1, int(time.time()) + 99).mint(
            b"k" * 32, requester="a", responder="third", correlation=correlation
        )
        for which in (permit, forged, "", "a/b/c/d"):
            third.send("a", "answer", "wrong", correlation_id=correlation, is_reply=True, permit=which)
        third.send("a", "answer", "wrong", correlation_id=correlation)
        hand.send("a", "answer", "wrong", correlation_id="another", is_reply=True, permit=permit)
        await decided(client)
        assert not answers.seen
        hand.send("a", "answer", "right", correlation_id=correlation, is_reply=True, permit=permit)
        (reply,) = await answers.reaches(1)
    assert (reply.sender_id, reply.data) == ("hand", "right")
    assert decisions(client).count("AUTHZ_DENIED") == 6


@pytest.mark.parametrize("stage", [stage.__name__ for stage in stages.ORDER])
async def test_a_stage_that_raises_refuses(redis_url, stage, monkeypatch):
    def broken(submission, snapshot):
        raise RuntimeError("CANARY")

    broken.__name__ = stage
    order = tuple(broken if each.__name__ == stage else each for each in stages.ORDER)
    monkeypatch.setattr("mas.gateway.stages.ORDER", order)
    monkeypatch.setattr("mas.gateway.measures.stages_for", lambda _: order)
    with asking(redis_url) as client:
        async with running(redis_url, permissions=PERMISSIONS, a=Receiver, b=Receiver) as system:
            await system.agent("a").send("b", "x", 1)
            assert await handled(system, client) == []
            (record,) = audit(client)
            proven = stage not in {"shape", "authenticate", "signature"}
            assert record["decision"] == ("AUTHZ_DENIED" if proven else "AUTH_FAILED")
            assert record["reason"] == "a policy could not be evaluated"
            assert "CANARY" not in str(audit(client)) + str(letters(client))


async def test_secret_token_and_payload_stand_in_no_log_repr_or_record(redis_url, caplog):
    caplog.set_level(logging.DEBUG)
    with asking(redis_url) as client:
        async with running(redis_url, permissions=PERMISSIONS, a=Receiver, b=Receiver) as system:
            a, seat = system.agent("a"), system.seats[0]
            hand: Hand = await enrolled(system, client, "hand")
            await a.send("b", "x", {"text": "CANARY-payload"}, confirm=True)
            hand.submit({**hand.fields(hand.envelope("b", data="CANARY-payload")), b"signature": b"CANARY"})
            hand.submit(hand.fields(hand.envelope("b", data=b'{"CANARY-payload":')))
            with pytest.raises(MessageRefused):
                await system.agent("b").request("a", "x", "CANARY-payload", timeout=10)
            await decided(client)
            holders = (system, a, seat, system.redis, system.settings, hand.credential, KEYRING)
            shown = [repr(each) for each in holders]
            records = [str(audit(client)), str(entries(client, KEYS.audit_messages))]
        everything = b"".join(client.dump(key) or b"" for key in client.scan_iter())
    for text in (*shown, *records, caplog.text):
        for canary in (SECRET, "CANARY", hand.credential.token.hex(), str(hand.credential.token)):
            assert canary not in text
    assert SECRET.encode() not in everything
    assert hand.credential.token not in everything
    assert hand.credential.token.hex().encode() not in everything


@pytest.mark.plants("agent:forger:token_hash:one")
async def test_a_hand_made_registration_grants_nothing(world):
    system, client, _ = world
    forger = Hand(client, KEYRING.credential(AgentId("forger"), InstanceId("one"), "0" * 32))
    client.sadd("mas.agents", "forger")
    client.hset("agent:forger", mapping={"record": '{"agent_id":"forger"}', "status": "active"})
    client.hset("agent:forger", "instance:one", '{"instance_id":"one","epoch":"' + "0" * 32 + '"}')
    client.set("agent:forger:token_hash:one", "x")
    forger.send("b", data="forged")
    assert await handled(system, client) == []
    assert decisions(client) == ["AUTH_FAILED"]


async def test_an_edited_policy_denies_everybody_until_it_is_put_back(world):
    system, client, hand = world
    stored = client.get("mas.policy")
    client.set("mas.policy", b"f" * 32 + stored[32:])
    hand.send("b", data="no")
    await decided(client)
    client.set("mas.policy", b"f" * 32 + b" []")
    hand.send("b", data="no")
    await decided(client)
    client.set("mas.policy", stored)
    hand.send("b", data="yes")
    assert await handled(system, client) == ["yes"]
    assert decisions(client) == ["AUTHZ_DENIED", "AUTHZ_DENIED", "ALLOWED"]
