"""Servers that die, fall silent or come back; each test has one of its own."""

import anyio
import pytest
from redis.exceptions import ReadOnlyError

from mas.errors import RedisUnavailable
from mas.redis import Redis, Script, open_redis, open_subscriber
from mas.testing.server import redis_server
from tests.redis.waiting import until

ECHO = Script("echo", "return ARGV[1]")


@pytest.fixture
def server():
    with redis_server() as started:
        yield started


async def test_every_reply_due_fails_when_the_server_is_killed_and_later_calls_succeed(server):
    async with open_redis(server.url, scripts=(ECHO,)) as redis:
        due = [redis.post("BLPOP", "nothing", 0) for _ in range(10)]
        server.kill()
        for reply in due:
            with pytest.raises(RedisUnavailable, match=r"redis\.sock"):
                await reply.result()
        assert redis.generation == 1
        refused = redis.post("PING")
        assert refused.done
        with pytest.raises(RedisUnavailable):
            refused.get()
        server.start()
        assert await redis.call("PING") == b"PONG"
        assert redis.generation == 2
        assert await redis.post_script(ECHO, [], ["loaded again"]).result() == b"loaded again"


async def test_call_waits_for_a_connection_only_so_long(server):
    async with open_redis(server.url, connect_wait=0.1) as redis:
        server.kill()
        with pytest.raises(RedisUnavailable):
            await redis.call("PING")
        with pytest.raises(RedisUnavailable, match=r"no connection for 0\.1 s"):
            await redis.call("PING")


async def test_connected_waits_however_long_it_takes(server):
    async with open_redis(server.url) as redis:
        await redis.connected()
        server.kill()
        await until(lambda: redis.post("PING").done)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(redis.connected)
            await anyio.wait_all_tasks_blocked()
            server.start()
        assert await redis.call("PING") == b"PONG"


async def test_a_server_that_falls_silent_is_given_up_within_the_response_timeout(server):
    async with open_redis(server.url, response_timeout=0.2, connect_timeout=0.3) as redis:
        server.suspend()
        replies = [redis.post("PING") for _ in range(3)]
        for reply in replies:
            with anyio.fail_after(5), pytest.raises(RedisUnavailable, match=r"no answer within 0\.2 s"):
                await reply.result()
        server.resume()
        assert await redis.call("PING") == b"PONG"
        assert redis.generation == 2


async def test_an_idle_connection_is_not_given_up(server):
    async with open_redis(server.url, response_timeout=0.05) as redis:
        await anyio.sleep(0.3)
        assert await redis.call("PING") == b"PONG"
        assert redis.generation == 1


async def test_a_blocking_read_may_take_its_time_and_no_longer(server):
    async with open_redis(server.url, response_timeout=0.2, blocking=0.5) as redis:
        assert await redis.call("BLPOP", "nothing", 0.5) is None
        assert redis.generation == 1
        with pytest.raises(RedisUnavailable, match=r"no answer within 0\.7 s"):
            await redis.call("BLPOP", "nothing", 0)


async def test_a_start_without_a_server_fails_with_its_address(tmp_path):
    with pytest.raises(RedisUnavailable, match=r"127\.0\.0\.1:1\b.* \(tried for 0\.2 s\)"):
        async with open_redis("redis://127.0.0.1:1", connect_timeout=0.2):
            pass


async def test_run_is_ready_only_once_connected(server):
    url = server.url
    server.stop()
    redis = Redis(url)
    async with anyio.create_task_group() as tasks:

        async def start():
            await tasks.start(redis.run)
            assert redis.generation == 1
            tasks.cancel_scope.cancel()

        tasks.start_soon(start)
        await until(lambda: "redis.sock" in redis.trouble)
        assert redis.generation == 0
        server.start()
    with pytest.raises(RedisUnavailable, match="closed"):
        await redis.post("PING").result()


async def test_a_server_that_becomes_a_replica_is_left_until_it_is_master_again(server):
    async with open_redis(server.url, backoff_cap=0.05) as redis:
        with server.client() as operator:
            operator.replicaof("127.0.0.1", "1")
            with pytest.raises(ReadOnlyError):
                await redis.call("SET", "key", "value")
            await until(lambda: "not the master" in redis.trouble)
            operator.replicaof("NO", "ONE")
        assert await redis.call("SET", "key", "value") == b"OK"
        assert redis.generation == 2


async def test_a_subscriber_hears_again_after_the_server_came_back_and_is_told_to_look(server):
    async with open_subscriber(server.url) as subscriber:
        heard: list[bytes | None] = []
        subscriber.listen("ring", heard.append)
        await until(lambda: heard == [None])
        server.kill()
        server.start()
        await until(lambda: heard == [None, None])
        with server.client() as publisher:
            publisher.publish("ring", "1")
        await until(lambda: heard == [None, None, b"1"])
        assert subscriber.generation == 2


async def test_a_subscriber_notices_a_silent_server_though_it_expects_nothing(server):
    async with open_subscriber(server.url, response_timeout=0.2, connect_timeout=0.3) as subscriber:
        heard: list[bytes | None] = []
        subscriber.listen("ring", heard.append)
        await until(lambda: heard == [None])
        server.suspend()
        await until(lambda: "no sign of life" in subscriber.trouble)
        server.resume()
        await until(lambda: heard == [None, None])


async def test_a_quiet_subscriber_stays_connected(server):
    async with open_subscriber(server.url, response_timeout=0.05) as subscriber:
        heard: list[bytes | None] = []
        subscriber.listen("ring", heard.append)
        await anyio.sleep(0.3)
        assert subscriber.generation == 1
        assert heard == [None]
