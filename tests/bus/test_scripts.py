"""Consumer groups: only who owns an entry renews, counts or settles it, and nobody's mail is dropped."""

import anyio
import pytest
from redis.exceptions import ResponseError

from mas.bus import (
    ATTEMPT,
    HANDED_BACK,
    RENEW,
    RETIRE,
    SCRIPTS,
    SETTLE,
    TAKE_OVER,
    BareClaims,
    FencedClaims,
    backlog,
    ensure_group,
    entries_of,
    reclaim,
    value_of,
)
from mas.redis import open_redis
from tests.world import asking

S, G = "stream", "agents"


@pytest.fixture
def client(redis_url):
    with asking(redis_url) as opened:
        yield opened


@pytest.fixture
async def redis(redis_url):
    async with open_redis(redis_url, scripts=SCRIPTS) as opened:
        yield opened


def held_by(client, consumer, count=1):
    ids = [client.xadd(S, {"n": n}) for n in range(count)]
    client.xreadgroup(G, consumer, {S: ">"})
    return ids


def pending(client):
    """Return owner and starts of each pending entry."""
    found = client.xpending_range(S, G, "-", "+", 1000)
    return {p["message_id"]: (p["consumer"].decode(), p["times_delivered"]) for p in found}


async def test_a_group_begins_with_what_was_there_before_it_and_may_be_asked_for_twice(redis, client):
    client.xadd(S, {"n": 0})
    await ensure_group(redis, S, G)
    await ensure_group(redis, S, G)
    assert len(client.xreadgroup(G, "a", {S: ">"})[0][1]) == 1


async def test_renewing_by_another_takes_nothing_and_names_what_is_lost(redis, client):
    await ensure_group(redis, S, G)
    mine, his = held_by(client, "a", 2)
    client.xclaim(S, G, "b", 0, [his])
    assert await redis.run_script(RENEW, [S], [G, "a", mine, his, "1-1"]) == [his, b"1-1"]
    assert {entry: owner for entry, (owner, _) in pending(client).items()} == {mine: "a", his: "b"}


async def test_renewing_counts_no_start_and_ends_the_idle_time(redis, client):
    await ensure_group(redis, S, G)
    (mine,) = held_by(client, "a")
    client.xclaim(S, G, "a", 0, [mine], idle=90_000, justid=True)
    assert await redis.run_script(RENEW, [S], [G, "a", mine]) == []
    assert pending(client)[mine] == ("a", 1)
    assert await reclaim(redis, S, G, "b", idle=60) == (0, 0, False)


async def test_a_start_is_counted_for_the_owner_alone(redis, client):
    await ensure_group(redis, S, G)
    (mine,) = held_by(client, "a")
    assert await redis.run_script(ATTEMPT, [S], [G, "a", mine]) == 2
    assert await redis.run_script(ATTEMPT, [S], [G, "a", mine]) == 3
    assert await redis.run_script(ATTEMPT, [S], [G, "b", mine]) == 0
    assert pending(client)[mine] == ("a", 3)


@pytest.mark.parametrize("claims", [FencedClaims, BareClaims])
async def test_what_is_handed_back_may_be_taken_at_once_and_never_counted_as_started(redis, client, claims):
    await ensure_group(redis, S, G)
    mine, begun, kept, his = held_by(client, "a", 4)
    client.xclaim(S, G, "b", 0, [his], retrycount=4)
    heard = client.pubsub()
    heard.subscribe("ring")
    heard.get_message(timeout=1)
    await claims(redis, G, "a").hand_back(S, [mine, his, b"1-1"], "ring", lease=60, started=False)
    await claims(redis, G, "a").hand_back(S, [begun], "ring", lease=60, started=True)
    assert pending(client) == {mine: ("a", 0), begun: ("a", 1), kept: ("a", 1), his: ("b", 4)}
    rung = [heard.get_message(timeout=0.1) for _ in range(3)]
    heard.close()
    assert [m["data"] for m in rung if m] == ([] if claims is BareClaims else [HANDED_BACK] * 2)
    assert await reclaim(redis, S, G, "c", idle=60) == (2, 1, False)
    # Read by whoever took it, it counts as any read does; a start is counted on top only of what was begun.
    found = await claims(redis, G, "c").backlog(S)
    assert [(held.id, held.starts) for held in found] == [(mine, 0), (begun, 1)]
    assert [pending(client)[entry] for entry in (mine, begun)] == [("c", 1), ("c", 1)]


@pytest.mark.parametrize("claims", [FencedClaims, BareClaims])
async def test_what_one_consumer_does_at_once_with_what_it_holds_loses_it_nothing(redis, client, claims):
    """A handler starts again, or is done, while the beat renews what has been held for long."""
    await ensure_group(redis, S, G)
    first, second, his = held_by(client, "a", 3)
    client.xclaim(S, G, "a", 0, [first, second], idle=90_000, justid=True)
    client.xclaim(S, G, "b", 0, [his], idle=90_000)
    ours, starts, lost = claims(redis, G, "a"), [], []

    async def attempt(entry):
        starts.append(await ours.attempt(S, entry))

    async def renew():
        lost.extend(await ours.renew(S, [first, second, his]))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(renew)
        tasks.start_soon(attempt, first)
        tasks.start_soon(attempt, his)
        tasks.start_soon(ours.settle, S, [second, his])
    assert sorted(starts) == [0, 2]
    assert {entry for entry in lost if entry != second} == {his}
    assert pending(client) == {first: ("a", 2), his: ("b", 2)}
    assert client.xlen(S) == 2


@pytest.mark.parametrize("order", [1, -1])
async def test_settling_removes_what_is_ours_and_nothing_else(redis, client, order):
    await ensure_group(redis, S, G)
    mine = held_by(client, "a", 5)
    his = mine.pop(2)
    client.xclaim(S, G, "b", 0, [his])
    assert await redis.run_script(SETTLE, [S], [G, "a", *[*mine, his, b"1-1"][::order]]) == 4
    assert pending(client) == {his: ("b", 2)}
    assert client.xlen(S) == 1
    assert await redis.run_script(SETTLE, [S], [G, "a", *mine]) == 0


async def test_what_was_handled_when_its_group_went_is_removed_and_the_loss_told(redis, client):
    await ensure_group(redis, S, G)
    mine, other = held_by(client, "a", 2)
    client.xgroup_destroy(S, G)
    with pytest.raises(ResponseError, match="NOGROUP"):
        await redis.run_script(SETTLE, [S], [G, "a", mine])
    await ensure_group(redis, S, G)
    ((_, left),) = client.xreadgroup(G, "b", {S: ">"})
    assert [entry for entry, _ in left] == [other]


async def test_the_own_backlog_is_read_in_pages_without_counting_it_as_started(redis, client):
    await ensure_group(redis, S, G)
    mine = held_by(client, "a", 5)
    held_by(client, "b", 2)
    client.xdel(S, mine[1])
    first = await backlog(redis, S, G, "a", count=3)
    rest = await backlog(redis, S, G, "a", after=first[-1].id, count=3)
    assert [held.id for held in first + rest] == mine
    assert [held.starts for held in first + rest] == [1] * 5
    assert [held.fields for held in first] == [[b"n", b"0"], None, [b"n", b"2"]]
    assert all(starts == 1 for _, starts in pending(client).values())
    assert await backlog(redis, S, G, "nobody") == []


async def test_reclaiming_walks_a_long_pending_list_past_what_was_trimmed(redis, client):
    await ensure_group(redis, S, G)
    ids = held_by(client, "dead", 1000)
    for at in range(0, 1000, 2):
        client.xdel(S, ids[at])
    client.xclaim(S, G, "dead", 0, ids, idle=90_000, justid=True)
    taken = 0
    while (got := await reclaim(redis, S, G, "a", idle=60, count=100)).taken:
        assert got.lapsed == got.taken
        taken += got.taken
    assert taken == 500
    assert {owner for owner, _ in pending(client).values()} == {"a"}
    assert {starts for _, starts in pending(client).values()} == {1}


async def test_reclaiming_leaves_what_somebody_still_holds(redis, client):
    await ensure_group(redis, S, G)
    held_by(client, "alive", 3)
    assert await reclaim(redis, S, G, "a", idle=60) == (0, 0, False)


async def test_taking_over_waits_for_the_lease_to_end(redis, client):
    await ensure_group(redis, S, G)
    held_by(client, "dead", 5)
    client.set("lease", "x")
    assert await redis.run_script(TAKE_OVER, [S, "lease"], [G, "dead", "a", 3]) == [0, 0]
    client.delete("lease")
    assert await redis.run_script(TAKE_OVER, [S, "lease"], [G, "dead", "a", 3]) == [3, 0]
    assert await redis.run_script(TAKE_OVER, [S, "lease"], [G, "dead", "a", 3]) == [2, 0]
    assert set(pending(client).values()) == {("a", 1)}


async def test_a_consumer_is_deleted_only_when_it_holds_nothing(redis, client):
    assert await redis.run_script(RETIRE, [S], [G, "a"]) == 1
    await ensure_group(redis, S, G)
    (mine,) = held_by(client, "a")
    assert await redis.run_script(RETIRE, [S], [G, "a"]) == 0
    assert pending(client) == {mine: ("a", 1)}
    client.xack(S, G, mine)
    assert await redis.run_script(RETIRE, [S], [G, "a"]) == 1
    assert client.xinfo_consumers(S, G) == []
    client.xgroup_destroy(S, G)
    assert await redis.run_script(RETIRE, [S], [G, "a"]) == 1


def test_fields_are_found_by_name_and_reads_of_nothing_are_empty():
    assert list(entries_of(None)) == []
    (entry,) = entries_of([[b"s", [[b"1-1", None]]]])
    assert entry == (b"s", b"1-1", None)
    assert value_of([b"a", b"1", b"b", b"2"], b"b") == b"2"
    assert value_of([b"a", b"b"], b"b") is None
    assert value_of([b"a"], b"a") is None
