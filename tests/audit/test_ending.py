"""The end of a trail, and what comes after: across filters, trims and a Redis that is away."""

from contextlib import aclosing, asynccontextmanager

import anyio

from mas.audit import SCRIPTS, EventKind, Filter, Trail
from mas.audit.door import View
from mas.audit.ending import Ending
from mas.audit.entry import order
from mas.clock import SYSTEM
from mas.redis import EmbeddedServer, open_redis
from tests.audit.conftest import KEYS, Desk

MESSAGES = Filter(trail=Trail.MESSAGES)


async def last_of(desk, wanted=MESSAGES, **how):
    return [found async for found in desk.trail.tail(wanted, **how)]


class Seen(list[int]):
    """What a follower has seen."""

    async def reaches(self, count):
        with anyio.fail_after(20):
            while len(self) < count:
                await anyio.sleep(0.01)


@asynccontextmanager
async def following(trail, last=0):
    """Follow a trail for the length of a block; gives the numbers of the records that were seen."""
    seen = Seen()

    async def follow(*, task_status):
        async for found in trail.tail(MESSAGES, last=last + 1, follow=True):
            seen.append(found.record["count"])
            if len(seen) == last + 1:
                task_status.started()

    async with anyio.create_task_group() as tasks:
        await tasks.start(follow)
        yield seen
        tasks.cancel_scope.cancel()


async def test_it_shows_the_last_and_goes_on_with_what_comes(desk):
    await desk.write(30)
    async with following(desk.trail, last=4) as seen:
        await desk.write(10)
        await seen.reaches(15)
    assert seen == list(range(26, 41))


async def test_the_last_are_the_last_that_match_however_far_back(desk):
    await desk.write(2500)
    every = [found.record for found in await last_of(desk, last=2500)]
    rare = [record["count"] for record in every if "violations" in record]
    assert len(rare) > 3
    wanted = Filter(trail=Trail.MESSAGES, violation="email")
    assert [found.record["count"] for found in await last_of(desk, wanted, last=3)] == rare[-3:]
    assert [found.record["count"] for found in await last_of(desk, wanted, last=2500)] == rare


async def test_none_of_the_last_may_be_asked_for(desk):
    await desk.write(3)
    assert await last_of(desk, last=0) == []


async def test_with_none_of_the_last_only_what_comes_is_followed(desk):
    await desk.write(30)
    seen = Seen()

    async def follow():
        async for found in desk.trail.tail(MESSAGES, last=0, follow=True):
            seen.append(found.record["count"])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        await desk.until(lambda: desk.raw(KEYS.audit_security))
        while not seen:
            await desk.write(1)
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert seen[0] > 30


async def test_what_comes_is_shown_in_the_order_of_time_whichever_trail_it_is_in(desk):
    ending = Ending(View(desk.redis, KEYS, desk.places.archive), Filter(), SYSTEM)
    assert await ending.last(0) == []
    for count in (1, 700, 1100, 3):
        await desk.write(count)
        await desk.events.write(EventKind.CONTROL, "somebody")
    expected = [entry[0] for trail in Trail for entry in await desk.raw(trail.stream(KEYS))]
    expected.sort(key=order)
    seen = []
    with anyio.fail_after(20):
        async with aclosing(ending.follow()) as coming:
            async for found in coming:
                seen.append(found)
                if len(seen) == len(expected):
                    break
    assert [order(found.id) for found in seen] == [order(each) for each in expected]
    assert {found.trail for found in seen} == set(Trail)


async def test_what_is_no_record_hides_none_that_come_after_it(desk):
    await desk.write(1)
    async with following(desk.trail) as seen:
        replies = [desk.redis.post("XADD", KEYS.audit_messages, "*", "x", "y") for _ in range(2500)]
        await replies[-1].result()
        await desk.write(1)
        await seen.reaches(2)
    assert seen == [1, 2]


async def test_it_goes_on_when_what_it_showed_has_gone_into_an_archive(desk):
    await desk.write(1200)
    await desk.seal_all(seal_batch=100)
    async with following(desk.trail) as seen:
        async with desk.sealing(seal_batch=100, max_records=1000):

            async def trimmed():
                return await desk.redis.call("XLEN", KEYS.audit_messages) < 1200

            await desk.until(trimmed)
        await desk.write(5)
        await seen.reaches(6)
    assert seen == list(range(1200, 1206))


async def test_it_waits_for_a_redis_that_is_away_and_misses_nothing(tmp_path, caplog):
    server = EmbeddedServer(tmp_path / "data")

    async def serve(*, task_status):
        ended = anyio.Event()
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as own:
                await own.start(server.run)
                task_status.started((scope, ended))
        ended.set()

    async with anyio.create_task_group() as tasks:
        scope, ended = await tasks.start(serve)
        async with open_redis(server.url, scripts=SCRIPTS, connect_wait=0.1) as redis:
            desk = Desk(redis, tmp_path, server.url)
            await desk.write(5)
            async with following(desk.trail) as seen:
                scope.cancel()
                await ended.wait()

                async def told():
                    return "waiting for redis, to go on with the trail" in caplog.messages

                await desk.until(told)
                scope, _ = await tasks.start(serve)
                async with open_redis(server.url, scripts=SCRIPTS) as own:
                    desk.redis = own
                    await desk.write(5)
                await seen.reaches(6)
            assert seen == list(range(5, 11))
        scope.cancel()
