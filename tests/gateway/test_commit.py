"""The one atomic step, outcome by outcome: what it finds otherwise it reports and leaves alone."""

import math

import msgspec
import pytest

from mas.gateway.change import (
    Bucket,
    Change,
    Commit,
    Mark,
    Outcome,
    Outcomes,
    OwnWrite,
    Removal,
    Ring,
    Token,
    Write,
    pack,
)
from mas.gateway.commit import COMMIT
from mas.redis import open_redis
from tests.world import asking

VERSION = "a" * 32
INGRESS, TARGET, AUDIT, DEAD = "in", "stream", "audit", "dead"


@pytest.fixture
def client(redis_url):
    with asking(redis_url) as opened:
        opened.set("policy", f"{VERSION} rest")
        opened.xgroup_create(INGRESS, "gateway", "0", mkstream=True)
        yield opened


@pytest.fixture
async def redis(redis_url, client):
    async with open_redis(redis_url, scripts=(COMMIT,)) as opened:
        yield opened


def submitted(client, count=1):
    """Put entries into the ingress and read them, as a gateway does; return their ids."""
    ids = [client.xadd(INGRESS, {"n": n}).decode() for n in range(count)]
    client.xreadgroup("gateway", "me", {INGRESS: ">"})
    return ids


def change(entry, **more):
    writes = (Write(TARGET, ("n", entry)), Write(AUDIT, ("record", entry)))
    return Change(INGRESS, entry, writes, **more)


def commit(*changes, tokens=(), buckets=(), version=VERSION, max_backlog=100, chain_messages=100):
    return Commit(
        "policy", version, "gateway", 60, 120, max_backlog, chain_messages, (2, 0.5, 60.0, 30.0, 1), "system",
        AUDIT, "sealed", 1000, DEAD, "nothing", list(tokens), list(buckets), list(changes),
    )  # fmt: skip


async def run(redis, *changes, **how):
    return await redis.run_script(COMMIT, (), (pack(commit(*changes, **how)),))


def state(client):
    """Return everything but what the commit may always read."""
    return {key: client.dump(key) for key in client.scan_iter() if key != b"policy"}


async def test_done_writes_rings_acknowledges_and_removes(redis, client):
    heard = client.pubsub()
    heard.subscribe("ring")
    ids = submitted(client, 3)
    outcomes = await run(
        redis, *(change(i, target=TARGET, rings=(Ring("ring"), Ring("ring", "me"))) for i in ids)
    )
    assert outcomes == [Outcome.DONE] * 3
    assert client.xlen(TARGET) == client.xlen(AUDIT) == 3
    assert client.xlen(INGRESS) == 0
    assert client.xpending(INGRESS, "gateway")["pending"] == 0
    rung = [heard.get_message(timeout=1) for _ in range(3)]
    assert sorted(m["data"] for m in rung[1:]) == [b"", b"me"]
    assert heard.get_message(timeout=0.05) is None
    heard.close()


async def test_a_stale_policy_leaves_the_whole_batch_alone(redis, client):
    ids = submitted(client, 2)
    before = state(client)
    assert await run(redis, *map(change, ids), version="b" * 32) == client.get("policy")
    assert state(client) == before
    client.delete("policy")
    assert await run(redis, *map(change, ids)) is None
    assert await run(redis, *map(change, ids), version="") == [0, 0]


async def test_who_comes_second_is_fenced_and_writes_nothing(redis, client):
    (entry,) = submitted(client)
    assert await run(redis, change(entry, mark=Mark("mark", 7))) == [Outcome.DONE]
    before = state(client)
    assert await run(redis, change(entry)) == [Outcome.FENCED]
    assert await run(redis, change(entry, mark=Mark("other", 7))) == [Outcome.FENCED]
    client.delete("other")
    assert state(client) == before


async def test_a_destroyed_group_fences_and_keeps_the_entry_for_another_look(redis, client):
    (entry,) = submitted(client)
    client.xgroup_destroy(INGRESS, "gateway")
    assert await run(redis, change(entry, mark=Mark("mark", 1), target=TARGET)) == [Outcome.FENCED]
    assert client.xlen(INGRESS) == 1
    assert client.xlen(TARGET) == 0
    client.xgroup_create(INGRESS, "gateway", "0")
    client.xreadgroup("gateway", "me", {INGRESS: ">"})
    assert await run(redis, change(entry, mark=Mark("mark", 1), target=TARGET)) == [Outcome.DONE]


async def test_a_token_that_changed_or_expired_is_found_out_and_nothing_is_done(redis, client):
    ids = submitted(client, 3)
    client.set("token:1", "right")
    client.set("token:2", "changed")
    tokens = [Token("token:1", "right"), Token("token:2", "expected"), Token("token:3", "gone")]
    changes = [change(entry, token=number) for number, entry in enumerate(ids, 1)]
    assert await run(redis, *changes, tokens=tokens) == [0, Outcome.TOKEN_INVALID, Outcome.TOKEN_INVALID]
    assert client.xlen(TARGET) == 1
    assert client.xpending(INGRESS, "gateway")["pending"] == 2


async def test_a_sequence_number_is_committed_once_also_within_one_batch(redis, client):
    ids = submitted(client, 3)
    changes = [change(entry, mark=Mark("mark", 8191)) for entry in ids]
    assert await run(redis, *changes) == [0, Outcome.REPLAYED, Outcome.REPLAYED]
    assert client.xlen(TARGET) == 1
    assert 0 < client.ttl("mark") <= 60


async def test_a_request_is_answered_once_and_another_one_still_can_be(redis, client):
    ids = submitted(client, 3)
    changes = [
        change(ids[0], answered=Mark("answered", 5)),
        change(ids[1], answered=Mark("answered", 5)),
        change(ids[2], answered=Mark("answered", 6)),
    ]
    assert await run(redis, *changes) == [0, Outcome.ANSWERED, 0]
    assert 60 < client.ttl("answered") <= 120


async def test_a_backlog_is_full_at_its_cap_counting_what_the_batch_itself_added(redis, client):
    client.xadd(TARGET, {"n": "waits"})
    ids = submitted(client, 4)
    changes = [change(entry, target=TARGET, mark=Mark("mark", n)) for n, entry in enumerate(ids)]
    assert await run(redis, *changes, max_backlog=3) == [0, 0, Outcome.BACKLOG_FULL, Outcome.BACKLOG_FULL]
    assert client.xlen(TARGET) == 3
    assert client.bitcount("mark") == 2


async def test_a_target_whose_key_is_no_stream_gets_nothing_and_neighbours_their_mail(redis, client):
    client.set("no stream", "x")
    ids = submitted(client, 3)
    changes = [change(ids[0]), change(ids[1], target="no stream"), change(ids[2])]
    assert await run(redis, *changes) == [0, Outcome.UNDELIVERABLE, 0]
    assert client.xlen(TARGET) == 2


async def test_what_is_for_one_instance_is_written_only_while_it_is_there(redis, client):
    client.xgroup_create("own:there", "agents", "0", mkstream=True)
    client.set("beat:lost its stream", "1")
    client.set("own:no stream", "x")
    names = ["there", "lost its stream", "gone", "no stream"]
    ids = submitted(client, 8)

    def telling(entry, name, number=None):
        writes = (OwnWrite(f"own:{name}", ("n", name), f"beat:{name}"), Write(AUDIT, ("of", name)))
        if number is None:
            return Change(INGRESS, entry, writes)
        return Change(INGRESS, entry, writes, mark=Mark("mark", number), answered=Mark("answered", number))

    replies = [telling(entry, name, n) for n, (entry, name) in enumerate(zip(ids[:4], names, strict=True))]
    notices = [telling(entry, name) for entry, name in zip(ids[4:], names, strict=True)]
    assert await run(redis, *replies[2:]) == [Outcome.GONE, Outcome.UNDELIVERABLE]
    # Nothing is marked yet: the refusal with its record is still to come.
    assert (client.exists("answered", "mark", AUDIT), client.xlen(INGRESS)) == (0, 8)
    assert await run(redis, *replies[:2], *notices) == [0] * 6
    assert client.xlen(AUDIT) == 6
    assert [client.xlen(f"own:{name}") for name in names[:3]] == [2, 2, 0]
    assert client.type("own:no stream") == b"string"


async def test_a_bucket_pays_for_each_message_and_tells_how_long_to_wait(redis, client):
    ids = submitted(client, 4)
    buckets = [Bucket("bucket", (("minute", 2.0, 0.5), ("hour", 100.0, 10.0)))]
    outcomes = await run(redis, *(change(entry, buckets=(1,)) for entry in ids), buckets=buckets)
    assert outcomes[:2] == [0, 0]
    assert all(1_900 <= outcome - Outcome.RATE_LIMITED <= 2_000 for outcome in outcomes[2:])
    assert float(client.hget("bucket", "minute")) == 0
    assert float(client.hget("bucket", "hour")) == 98
    assert 0 < client.ttl("bucket") <= math.ceil(100 / 10) + 1


async def test_a_clock_that_went_back_gives_nobody_more(redis, client):
    (entry,) = submitted(client)
    client.hset("bucket", mapping={"minute": "0", "minute:at": "99999999999"})
    buckets = [Bucket("bucket", (("minute", 2.0, 1.0),))]
    (outcome,) = await run(redis, change(entry, buckets=(1,)), buckets=buckets)
    assert outcome == Outcome.RATE_LIMITED + 1000


async def test_a_chain_may_cause_only_so_many(redis, client):
    ids = submitted(client, 4)
    changes = [change(entry, chain="chain") for entry in ids]
    assert await run(redis, *changes, chain_messages=3) == [0, 0, 0, Outcome.CHAIN_SPENT]
    assert client.ttl("chain") > 0


async def test_an_open_circuit_lets_nothing_through_and_says_for_how_long(redis, client):
    ids = submitted(client, 3)
    report = change(ids[0], outcomes=Outcomes("circuit:x", 2, 0))
    later = [change(entry, circuit="circuit:x", target=TARGET) for entry in ids[1:]]
    outcomes = await run(redis, report, *later)
    assert outcomes[0] == 0
    assert all(29_000 < outcome - Outcome.CIRCUIT_OPEN <= 30_000 for outcome in outcomes[1:])
    assert client.xlen(TARGET) == 1


async def test_a_delivery_is_taken_off_only_by_who_owns_it(redis, client):
    client.xgroup_create(TARGET, "agents", "0", mkstream=True)
    held = client.xadd(TARGET, {"n": "held"}).decode()
    client.xreadgroup("agents", "owner", {TARGET: ">"})
    ids = submitted(client, 3)

    def burying(entry, consumer):
        letter = (Write(DEAD, ("letter", "x")),)
        return Change(INGRESS, entry, letter, removal=Removal(TARGET, "agents", consumer, held))

    changes = [burying(ids[0], "thief"), burying(ids[1], "owner"), burying(ids[2], "owner")]
    assert await run(redis, *changes) == [Outcome.FENCED, Outcome.DONE, Outcome.FENCED]
    assert client.xlen(DEAD) == 1
    assert client.xlen(TARGET) == 0
    assert client.xlen(INGRESS) == 0
    assert client.xpending(TARGET, "agents")["pending"] == 0


async def test_a_failure_that_a_removal_tells_of_counts_only_if_it_is_this_one_that_removes(redis, client):
    ids = submitted(client, 3)
    client.xgroup_create(TARGET, "agents", "0", mkstream=True)
    held = client.xadd(TARGET, {"n": 1}).decode()
    client.xreadgroup("agents", "owner", {TARGET: ">"})
    changes = [
        Change(
            INGRESS,
            entry,
            (),
            outcomes=Outcomes("circuit:b", 1, 0),
            removal=Removal(TARGET, "agents", consumer, held),
        )
        for entry, consumer in zip(ids, ("dead", "owner", "owner"), strict=True)
    ]
    assert await run(redis, *changes) == [Outcome.FENCED, Outcome.DONE, Outcome.FENCED]
    assert client.hget("circuit:b", "failures") == b"1"


async def test_without_memory_nothing_is_written_at_all(redis, client):
    ids = submitted(client, 2)
    before = state(client)
    client.config_set("maxmemory", "1")
    try:
        with pytest.raises(Exception, match="maxmemory"):
            await run(redis, *map(change, ids))
        assert state(client) == before
    finally:
        client.config_set("maxmemory", "0")


def test_a_commit_has_neither_binary_nor_none_in_it():
    packed = msgspec.msgpack.decode(pack(commit(change("1-1"), tokens=[Token("k", "h")])))

    def walk(value):
        assert value is not None
        assert not isinstance(value, bytes)
        if isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(packed)
