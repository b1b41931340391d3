"""Each submission is decided once: however often, wherever and however late it is repeated."""

import random
import signal
import time
from contextlib import AsyncExitStack
from itertools import islice

import anyio
import msgspec

from mas.bus import Entry
from mas.directory import AgentRecord, Mirror, Policy, Rule
from mas.gateway.pipeline import decide
from mas.gateway.snapshot import Snapshot
from mas.gateway.submission import Submission
from mas.gateway.verdict import ALLOWED
from mas.ids import AgentId, InstanceId
from mas.keys import GATEWAY_GROUP, REPLAY_BLOCK
from mas.registry import Lives, enrol
from mas.settings import GatewaySettings
from mas.trust import Permit
from tests.faults.runner import process
from tests.identity.conftest import Pen
from tests.identity.waiting import until
from tests.world import KEYRING, KEYS, asking, audit, deployment

A, B, ONE = AgentId("a"), AgentId("b"), InstanceId("one")
MAY = [{"type": "allow", "from": "a", "to": "b"}]
GATEWAY = frozenset({"gateway"})


async def joined(redis, agent=A, instance=ONE):
    """Enrol an instance that nobody runs, and return its credential."""
    lives = Lives(6000, 6000)
    return (
        await enrol(redis, KEYS, KEYRING, AgentRecord(agent), instance, now=time.time(), lives=lives)
    ).credential


def put(client, entries):
    """Append submissions to the ingress stream, in few packets."""
    for at in range(0, len(entries), 500):
        pipe = client.pipeline(transaction=False)
        for fields in entries[at : at + 500]:
            pipe.xadd(KEYS.ingress, fields)
        pipe.execute()


def delivered(client):
    """Return the message ids on b's stream."""
    return [
        msgspec.json.decode(fields[b"envelope"])["message_id"] for _, fields in client.xrange(KEYS.stream(B))
    ]


EVERY_ONE = {"authentication": {"recorded_failures": 1_000_000}}
"""Of a flood that proves nothing only samples are recorded; here each is counted by its record."""


async def test_a_thousand_messages_replayed_four_times_each_over_four_gateways_arrive_once(
    redis_url, redis, running
):
    pen = Pen(await joined(redis))
    await joined(redis, B)
    entries = [pen.fields("b", data=n, at=time.time()) for n in range(1_000)]
    copies = entries * 5
    random.Random(4).shuffle(copies)
    with asking(redis_url) as client:
        async with AsyncExitStack() as stack:
            for _ in range(4):
                await stack.enter_async_context(running(parts=GATEWAY, permissions=MAY, gateway=EVERY_ONE))
            put(client, copies)
            await until(lambda: client.xlen(KEYS.audit_messages) >= 5_000, within=60)
        ids = delivered(client)
        assert len(ids) == 1_000
        assert len(set(ids)) == 1_000
        decisions = [record["decision"] for record in audit(client)]
        assert (decisions.count("ALLOWED"), decisions.count("REPLAYED")) == (1_000, 4_000)
        assert not client.xlen(KEYS.ingress)
        assert len({record["gateway"] for record in audit(client)}) > 1


async def test_a_batch_that_a_stopped_gateway_held_is_no_replay_however_far_its_sender_went_on(
    redis_url, redis, running
):
    pen = Pen(await joined(redis))
    await joined(redis, B)
    with asking(redis_url) as client:
        put(client, [pen.fields("b", data=n, at=time.time()) for n in range(64)])
        client.xgroup_create(KEYS.ingress, GATEWAY_GROUP, "0")
        client.xreadgroup(GATEWAY_GROUP, "stopped", {KEYS.ingress: ">"}, count=64)
        client.sadd(KEYS.gateways, "stopped")
        client.set(KEYS.gateway_lease("stopped"), "it", px=3_000)
        async with running(parts=GATEWAY, permissions=MAY):
            put(client, [pen.fields("b", data=n, at=time.time()) for n in range(16_000)])
            await until(lambda: client.xlen(KEYS.stream(B)) >= 16_000, within=60)
            held = client.xpending_range(KEYS.ingress, GATEWAY_GROUP, "-", "+", 100, consumername="stopped")
            assert len(held) in {0, 64}
            await until(lambda: client.xlen(KEYS.stream(B)) == 16_064, within=60)
        ids = delivered(client)
        assert len(set(ids)) == 16_064
        assert {record["decision"] for record in audit(client)} == {"ALLOWED"}


async def test_a_batch_held_by_a_stopped_gateway_is_delivered_by_another_and_its_late_commit_changes_nothing(
    redis_url, redis, tmp_path, anyio_backend
):
    pen = Pen(await joined(redis))
    await joined(redis, B)
    count = 20_000
    entries = [pen.fields("b", data=n, at=time.time()) for n in range(count)]
    config = deployment(redis_url, permissions=MAY) | {"data_dir": str(tmp_path / "data")}
    with asking(redis_url) as client:
        async with process(config, "gateway", anyio_backend) as stopped:
            (name,) = (each.decode() for each in client.smembers(KEYS.gateways))
            async with process(config, "gateway", anyio_backend):
                waiting = iter(entries[:-500])
                held = await stopped_with_a_batch(stopped, client, name, waiting)
                rest = list(waiting)
                # More than its sender says in a lease at 5,000 a second, all of it decided in the meantime.
                assert len(rest) > count // 2
                put(client, rest)
                await until(lambda: client.xlen(KEYS.stream(B)) >= count - 500, within=90)
                assert not client.exists(KEYS.gateway_lease(name))
                written = {record["message_id"]: record for record in audit(client)}
                assert {written[each]["gateway"] for each in held} == {other(client, name)}
                stopped.signal(signal.SIGCONT)
                # It commits what it held, finds that its name is lost, and begins again under a free one.
                await until(lambda: client.exists(KEYS.gateway_lease(name)))
                put(client, entries[-500:])
                await until(lambda: client.xlen(KEYS.stream(B)) >= count, within=60)
        ids = delivered(client)
        assert (len(ids), len(set(ids))) == (count, count)
        assert len(audit(client)) == count
        assert {record["decision"] for record in audit(client)} == {"ALLOWED"}


async def stopped_with_a_batch(gateway, client, name, entries):
    """Submit entries, and stop a gateway once it holds some that it has not committed; return their ids."""
    while True:
        # Always enough for both gateways, so that this one is caught at work sooner or later.
        if client.xlen(KEYS.ingress) < 1_000:
            put(client, list(islice(entries, 500)))
        gateway.signal(signal.SIGSTOP)
        # A commit that was on its way when it stopped arrives yet.
        await anyio.sleep(0.1)
        pending = client.xpending_range(KEYS.ingress, GATEWAY_GROUP, "-", "+", 100, consumername=name)
        if pending:
            held = [
                client.xrange(KEYS.ingress, each["message_id"], each["message_id"])[0] for each in pending
            ]
            return [msgspec.json.decode(fields[b"envelope"])["message_id"] for _, fields in held]
        gateway.signal(signal.SIGCONT)
        await anyio.sleep(0.001)


def other(client, name):
    """Return the name of the one gateway that is alive beside another."""
    leases = {key.decode() for key in client.scan_iter(KEYS.gateway_lease("*"))}
    (lease,) = leases - {KEYS.gateway_lease(name)}
    return lease.removeprefix(KEYS.gateway_lease(""))


async def test_a_replay_to_another_stream_or_under_another_instance_is_refused(redis_url, redis, running):
    one = Pen(await joined(redis))
    await joined(redis, instance=InstanceId("two"))
    await joined(redis, B)
    entry = one.fields("b", at=time.time())
    with asking(redis_url) as client:
        async with running(parts=GATEWAY, permissions=MAY):
            put(client, [entry, entry | {"instance": "two"}, entry | {"agent": "b"}])
            client.xadd(KEYS.ingress_of(B), entry)
            await until(lambda: client.xlen(KEYS.audit_messages) >= 3)
        assert len(delivered(client)) == 1
        assert sorted(record["decision"] for record in audit(client)) == [
            "ALLOWED",
            "AUTH_FAILED",
            "AUTH_FAILED",
        ]


async def test_a_replay_is_known_at_the_edges_of_its_marks_and_after_a_restart(redis_url, redis, running):
    credential = await joined(redis)
    await joined(redis, B)
    blocks = [block * REPLAY_BLOCK for block in (1, 2, 2**20)]
    edges = [1, *(at for edge in blocks for at in range(edge - 2, edge + 2)), 2**53 - 1]
    entries = [Pen(credential, sequence=n).fields("b", data=n, at=time.time()) for n in edges]
    with asking(redis_url) as client:
        for rounds in (1, 2):
            # Another gateway each time, which has seen none of it.
            async with running(parts=GATEWAY, permissions=MAY, gateway=EVERY_ONE):
                put(client, random.Random(rounds).sample(entries, len(entries)))
                due = rounds * len(entries)
                await until(lambda due=due: client.xlen(KEYS.audit_messages) >= due)
        decisions = [record["decision"] for record in audit(client)]
        assert decisions == ["ALLOWED"] * len(entries) + ["REPLAYED"] * len(entries)
        assert len(set(delivered(client))) == len(delivered(client)) == len(entries) == 14


async def test_no_byte_of_a_submission_can_be_flipped(redis):
    dice = random.Random(200)
    pen = Pen(await joined(redis))
    await joined(redis, B)
    alarms: list[object] = []
    mirror = Mirror(redis, KEYS, KEYRING, alarm=alarms.append)
    await mirror.load()
    await mirror.learn_senders([(A, ONE)])
    # As many digits as there are nearly always: the count below goes by them.
    now = int(time.time()) + 0.1234567
    snapshot = Snapshot(mirror, GatewaySettings(), KEYRING, KEYS, None, now)
    mirror.policy = everything()
    tried = 0
    for n in range(200):
        meta = reply_route(n, now) if n % 2 else {"expires_at": now + 60 + n}
        fields = pen.fields("b", f"kind.{n}", {"n": n, "text": "x" * dice.randrange(40)}, at=now, meta=meta)
        as_bytes = {
            name.encode(): value if isinstance(value, bytes) else str(value).encode()
            for name, value in fields.items()
        }
        assert verdict(as_bytes, snapshot, now) is ALLOWED
        for name, value in as_bytes.items():
            for at in range(len(value)):
                flipped = bytearray(value)
                flipped[at] ^= 1 << dice.randrange(8)
                tried += 1
                assert verdict(as_bytes | {name: bytes(flipped)}, snapshot, now) is not ALLOWED
    assert tried > 80_000, tried
    assert not alarms


def reply_route(n, now):
    """Return what makes a message the answer to a request that b sent."""
    asked = f"{n:032x}"
    permit = Permit(ONE, n, int(now) + 60)
    minted = permit.mint(KEYRING.permit, requester="b", responder="a", correlation=asked)
    return {"is_reply": True, "correlation_id": asked, "permit": minted}


def everything():
    """Return a policy that allows all, so that nothing but the proof can refuse."""
    return Policy([Rule("allow", "*", "*")])


def verdict(fields, snapshot, now):
    """Ask the stages about one entry."""
    flat = [part for pair in fields.items() for part in pair]
    entry = Entry(KEYS.ingress.encode(), b"%d-0" % int(now * 1000), flat)
    return decide(Submission(entry), snapshot)
