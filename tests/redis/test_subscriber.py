import anyio

from mas.redis import Subscriber, open_redis, open_subscriber
from tests.redis.waiting import until


async def test_each_listener_hears_its_own_channel(redis_url):
    first: list[bytes | None] = []
    second: list[bytes | None] = []
    async with open_redis(redis_url) as redis, open_subscriber(redis_url) as subscriber:
        subscriber.listen("one", first.append)
        subscriber.listen("two", second.append)
        await until(lambda: first and second)
        await redis.publish("one", "a")
        await redis.publish("two", b"\0")
        await redis.publish("three", "nobody")
        await until(lambda: len(first) + len(second) == 4)
    assert first == [None, b"a"]
    assert second == [None, b"\0"]


async def test_listeners_of_one_channel_are_told_to_look_once_each(redis_url):
    first: list[bytes | None] = []
    second: list[bytes | None] = []
    async with open_redis(redis_url) as redis, open_subscriber(redis_url) as subscriber:
        subscriber.listen("one", first.append)
        await until(lambda: first)
        subscriber.listen("one", second.append)
        await until(lambda: second)
        await redis.publish("one", "a")
        await until(lambda: len(first) == len(second) == 2)
    assert first == second == [None, b"a"]


async def test_who_ignores_a_channel_hears_no_more_while_others_do(redis_url):
    first: list[bytes | None] = []
    second: list[bytes | None] = []
    async with open_redis(redis_url) as redis, open_subscriber(redis_url) as subscriber:
        subscriber.listen("one", first.append)
        subscriber.listen("one", second.append)
        subscriber.ignore("never heard of", first.append)
        await until(lambda: first and second)
        subscriber.ignore("one", first.append)
        await redis.publish("one", "a")
        await until(lambda: len(second) == 2)
        subscriber.ignore("one")
        subscriber.listen("two", second.append)
        await until(lambda: len(second) == 3)
        assert await redis.pubsub_numsub("one") == [(b"one", 0)]
    assert first == [None]


async def test_what_was_asked_for_before_the_first_connect_is_heard(redis_url):
    heard: list[bytes | None] = []
    subscriber = Subscriber(redis_url)
    subscriber.listen("one", heard.append)
    async with anyio.create_task_group() as tasks:
        await tasks.start(subscriber.run)
        await until(lambda: heard == [None])
        tasks.cancel_scope.cancel()


async def test_a_channel_that_is_refused_costs_only_itself(redis_url, caplog):
    refused: list[bytes | None] = []
    heard: list[bytes | None] = []
    async with open_redis(redis_url) as redis:
        await redis.call(
            "ACL", "SETUSER", "listener", "on", ">pw", "+ping", "+@pubsub", "resetchannels", "&mine"
        )
        async with open_subscriber(redis_url.replace("://", "://listener:pw@")) as subscriber:
            subscriber.listen("theirs", refused.append)
            subscriber.listen("mine", heard.append)
            await until(lambda: heard)
            await redis.publish("mine", "a")
            await redis.publish("theirs", "b")
            await until(lambda: len(heard) == 2)
            assert subscriber.generation == 1
        await redis.acl_deluser("listener")
    assert (refused, heard) == ([], [None, b"a"])
    assert "a subscription was refused" in caplog.text
