import itertools
import time
from typing import Any, cast

import anyio
import pytest
from redis.exceptions import DataError, NoScriptError, ResponseError, WatchError

from mas.errors import RedisUnavailable
from mas.redis import Redis, Script, open_redis

ECHO = Script("echo", "return ARGV[1]")


async def test_raw_answers_are_bytes_integers_and_lists(redis_url):
    async with open_redis(redis_url) as redis:
        assert await redis.call("SET", "key", b"\0value") == b"OK"
        assert await redis.call(b"GET", b"key") == b"\0value"
        assert await redis.call("INCRBY", "count", 7) == 7
        assert await redis.call("RPUSH", "list", 1, 2.5) == 2
        assert await redis.call("LRANGE", "list", 0, -1) == [b"1", b"2.5"]
        assert await redis.call("GET", "missing") is None


async def test_typed_commands_answer_as_those_of_redis_py_do(redis_url, mas_redis_server):
    async with open_redis(redis_url) as redis:
        assert await redis.set("key", "value", ex=100) is True
        assert await redis.hset("hash", mapping={"a": 1, "b": b"2"}) == 2
        assert await redis.hgetall("hash") == {b"a": b"1", b"b": b"2"}
        assert await redis.xgroup_create("stream", "group", id="0", mkstream=True) is True
        entry = await redis.xadd("stream", {"field": "value"})
        assert await redis.xreadgroup("group", "consumer", {"stream": ">"}) == [
            [b"stream", [(entry, {b"field": b"value"})]]
        ]
        assert (await redis.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"
        assert [key async for key in redis.scan_iter("h*")] == [b"hash"]
        with mas_redis_server.client() as theirs:
            assert await redis.xinfo_groups("stream") == theirs.xinfo_groups("stream")
            assert set(await redis.info("server")) == set(theirs.info("server"))


async def test_a_command_that_would_change_the_shared_connection_is_refused(redis_url):
    async with open_redis(redis_url) as redis:
        shared = (("MULTI",), ("SUBSCRIBE", "c"), ("CLIENT REPLY", "OFF"), ("client", "tracking", "on"))
        for command in shared:
            with pytest.raises(DataError):
                await redis.execute_command(*command)
        with pytest.raises(DataError):
            await redis.execute_command("SET", "key", None)
        assert await redis.ping() is True


async def test_posted_commands_are_answered_in_order_without_waiting_in_between(redis_url):
    async with open_redis(redis_url) as redis:
        replies = [redis.post("INCR", "count") for _ in range(1000)]
        assert not any(reply.done for reply in replies)
        with pytest.raises(RuntimeError):
            replies[0].get()
        assert await replies[-1].result() == 1000
        assert [reply.get() for reply in replies] == list(range(1, 1001))


async def test_an_argument_that_cannot_be_sent_takes_no_place_in_line(redis_url):
    async with open_redis(redis_url) as redis:
        with pytest.raises(TypeError):
            redis.post("SET", "key", cast("Any", object()))
        assert await redis.call("ECHO", "next") == b"next"


async def test_an_error_touches_only_its_own_reply(redis_url):
    async with open_redis(redis_url) as redis:
        await redis.call("SET", "text", "x")
        before, wrong, after = redis.post("PING"), redis.post("INCR", "text"), redis.post("PING")
        assert await after.result() == before.get() == b"PONG"
        with pytest.raises(ResponseError, match="not an integer"):
            wrong.get()
        with pytest.raises(ResponseError, match="not an integer"):
            await wrong.result()


async def test_several_may_wait_for_one_reply(redis_url):
    async with open_redis(redis_url) as redis:
        reply, seen = redis.post("ECHO", "x"), []

        async def wait():
            seen.append(await reply.result())

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(wait)
        assert seen == [b"x"] * 3


async def test_no_answer_ever_reaches_another_caller_however_many_are_cancelled(redis_url):
    cancelled = wrong = 0
    numbers = itertools.count()

    async def ask_and_lose_patience(redis: Redis, patience: float):
        nonlocal cancelled, wrong
        number = next(numbers)
        with anyio.move_on_after(patience) as scope:
            wrong += await redis.call("ECHO", number) != str(number).encode()
        cancelled += scope.cancelled_caught

    async with open_redis(redis_url) as redis:
        for round_ in range(100):
            async with anyio.create_task_group() as tasks:
                for caller in range(100):
                    tasks.start_soon(ask_and_lose_patience, redis, 0.002 * ((round_ + caller) % 100) / 100)
        assert await redis.call("ECHO", "at last") == b"at last"
        assert redis.generation == 1
    assert next(numbers) == 10_000
    assert wrong == 0
    assert cancelled > 100


async def test_a_script_runs_after_every_script_was_flushed(redis_url):
    async with open_redis(redis_url, scripts=(ECHO,)) as redis:
        assert await redis.post_script(ECHO, [], ["loaded at connect"]).result() == b"loaded at connect"
        await redis.script_flush()
        with pytest.raises(NoScriptError):
            await redis.post_script(ECHO, [], ["gone"]).result()
        assert await redis.run_script(ECHO, [], ["loaded again"]) == b"loaded again"
        assert await redis.post_script(ECHO, [], ["still there"]).result() == b"still there"


async def test_what_a_script_itself_refuses_is_not_tried_twice(redis_url):
    count = Script("count", "redis.call('INCR', KEYS[1]) return redis.error_reply('REFUSED ' .. ARGV[1])")
    async with open_redis(redis_url) as redis:
        with pytest.raises(ResponseError, match="because"):
            await redis.run_script(count, ["count"], ["because"])
        assert await redis.get("count") == b"1"


async def test_a_script_that_does_not_compile_is_named_at_the_start(redis_url):
    with pytest.raises(RedisUnavailable, match="refused the script broken"):
        async with open_redis(redis_url, scripts=(Script("broken", "return ("),)):
            pass


async def test_a_connection_is_named_and_uses_the_database_asked_for(redis_url):
    async with open_redis(f"{redis_url}?db=3", name="mas:test") as redis:
        assert await redis.client_getname() == "mas:test"
        await redis.set("only in three", 1)
        async with open_redis(redis_url) as other:
            assert await other.get("only in three") is None


async def test_call_waits_while_too_much_is_queued_and_post_does_not(redis_url):
    async with open_redis(redis_url, max_unsent=1000) as redis:
        large = redis.post("SET", "large", b"x" * 10_000_000)
        seen = (large.done, await redis.call("STRLEN", "large"), large.done)
        assert seen == (False, 10_000_000, True)
        assert await redis.post("PING").result() == b"PONG"


async def test_call_gives_up_when_the_peer_takes_no_more(redis_url, mas_redis_server):
    async with open_redis(redis_url, max_unsent=1000, connect_wait=0.2) as redis:
        mas_redis_server.suspend()
        try:
            large = redis.post("SET", "large", b"x" * 10_000_000)
            with pytest.raises(RedisUnavailable, match="takes no more"):
                await redis.call("PING")
        finally:
            mas_redis_server.resume()
        assert await large.result() == b"OK"


async def test_a_block_ends_while_a_reply_is_due_and_its_waiter_is_told(redis_url):
    async with open_redis(redis_url) as redis:
        reply = redis.post("BLPOP", "nothing", 0)
    for told in (reply, redis.post("PING")):
        with pytest.raises(RedisUnavailable, match="closed"):
            await told.result()


async def test_what_the_block_raises_comes_out_as_it_was_raised(redis_url):
    with pytest.raises(WatchError) as caught:
        async with open_redis(redis_url):
            raise WatchError("mine") from KeyError("cause")
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ExceptionGroup) as group:
        async with open_redis(redis_url):
            raise ExceptionGroup("mine", [ValueError()])
    assert group.value.message == "mine"


@pytest.mark.alone
async def test_concurrent_calls_share_writes_and_so_beat_sequential_ones(redis_url):
    count = 2000

    async def in_turn(redis: Redis, calls: int):
        for _ in range(calls):
            await redis.call("INCR", "count")

    async with open_redis(redis_url) as redis:
        await in_turn(redis, 100)
        began = time.perf_counter()
        await in_turn(redis, count)
        sequential = time.perf_counter() - began
        began = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(in_turn, redis, count // 100)
        concurrent = time.perf_counter() - began
    assert sequential / concurrent > 3


async def test_an_answer_is_not_waited_for_with_one_that_blocks(redis_url):
    async with open_redis(redis_url, blocking=30) as redis, open_redis(redis_url) as other:
        waiting = None
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                here, blocked = redis.post("PING"), redis.post("BLPOP", "list", 30)

                async def wait() -> None:
                    nonlocal waiting
                    waiting = await blocked.result()

                tasks.start_soon(wait)
                assert await here.result() == b"PONG"
                assert not blocked.done
                await other.call("RPUSH", "list", "at last")
        assert waiting == [b"list", b"at last"]


async def test_who_waits_for_the_first_of_many_answers_gets_it_whoever_is_cancelled(redis_url):
    async with open_redis(redis_url) as redis:
        got = []

        async def ask(number: int) -> None:
            got.append(await redis.call("ECHO", number))

        with anyio.fail_after(5):
            for _ in range(50):
                async with anyio.create_task_group() as tasks:
                    for number in range(100):
                        tasks.start_soon(ask, number)
                    async with anyio.create_task_group() as doomed:
                        for number in range(100, 200):
                            doomed.start_soon(ask, number)
                        await anyio.lowlevel.checkpoint()
                        doomed.cancel_scope.cancel()
        assert {int(number) for number in got} >= set(range(100))
        assert len([number for number in got if int(number) < 100]) == 50 * 100
