"""Who has a Redis user: every outsider that is enrolled in this database, and nobody that was shut out."""

from contextlib import AsyncExitStack

import pytest
import redis as blocking

from mas.clock import SYSTEM
from mas.directory import AgentRecord, Tombstones
from mas.ids import AgentId, InstanceId
from mas.keys import AGENT_GROUP
from mas.redis import open_redis, open_subscriber
from mas.registry import SCRIPTS, Lives, OutsiderKeeper, enrol_outsider, revoke, shut_out
from mas.settings import RedisUrl
from mas.testing.server import redis_server
from tests.world import KEYRING, KEYS

OUT, ONE = AgentId("out"), InstanceId("one")


@pytest.fixture
def server():
    with redis_server(port=0, password="operator") as started:
        yield started


async def enrolled(operator, url, instance=ONE):
    record, lives = AgentRecord(OUT), Lives(3600, 60)
    now = SYSTEM.wall()
    return await enrol_outsider(
        operator, KEYS, KEYRING, record, instance, RedisUrl(url), now=now, lives=lives
    )


async def users(operator):
    """Return the names of all Redis users but the default one."""
    return {name.decode() for name in await operator.call("ACL", "USERS")} - {"default"}


async def test_a_keeper_that_has_not_heard_of_a_revoke_lets_nobody_in_again(server):
    async with (
        open_redis(server.url, scripts=SCRIPTS) as operator,
        open_subscriber(server.url) as subscriber,
    ):
        keeper = OutsiderKeeper(operator, subscriber, KEYS, KEYRING, Tombstones())
        await enrolled(operator, server.url)
        await operator.call("ACL", "DELUSER", KEYS.redis_user(OUT, ONE))
        await keeper.look()
        assert await users(operator) == {"mas.agent:out:one"}
        gone = await revoke(operator, KEYS, KEYRING, OUT, None)
        await shut_out(operator, KEYS, OUT, gone.instances)
        await keeper.look()
        assert await users(operator) == set()


async def test_where_the_list_of_outsiders_is_lost_those_that_are_enrolled_keep_their_users(server):
    alarms = []
    async with (
        open_redis(server.url, scripts=SCRIPTS) as operator,
        open_subscriber(server.url) as subscriber,
    ):
        keeper = OutsiderKeeper(
            operator, subscriber, KEYS, KEYRING, Tombstones(), alarm=lambda *told: alarms.append(told)
        )
        held = await enrolled(operator, server.url)
        await keeper.look()
        assert alarms == []
        await operator.call("DEL", KEYS.outsiders)
        # One that no record speaks for goes as ever.
        await operator.call("ACL", "SETUSER", KEYS.redis_user(OUT, InstanceId("two")), "on", ">CANARY")
        await operator.call("ACL", "SETUSER", KEYS.redis_user(AgentId("other"), ONE), "on", ">CANARY")
        await keeper.look()
        assert await users(operator) == {"mas.agent:out:one"}
        assert await operator.call("SMEMBERS", KEYS.outsiders) == [b"out"]
        assert [where for where, _ in alarms] == [KEYS.outsiders]
        await operator.call("XGROUP", "DESTROY", KEYS.stream(OUT), AGENT_GROUP)
        await operator.call("DEL", KEYS.instance_stream(OUT, ONE))
        await keeper.look()
        for stream in (KEYS.stream(OUT), KEYS.instance_stream(OUT, ONE)):
            assert await operator.call("XPENDING", stream, AGENT_GROUP)
        with blocking.Redis.from_url(held.redis_url.reveal(), protocol=2) as client:
            assert client.execute_command("PING")


async def test_deployments_in_two_databases_of_a_server_leave_each_others_users_alone(server):
    urls = [f"{server.url.removesuffix('/0')}/{number}" for number in (0, 1)]
    async with AsyncExitStack() as stack:
        subscriber = await stack.enter_async_context(open_subscriber(server.url))
        operators = [await stack.enter_async_context(open_redis(url, scripts=SCRIPTS)) for url in urls]
        held = [await enrolled(*where) for where in zip(operators, urls, strict=True)]
        held.append(await enrolled(operators[1], urls[1], InstanceId("two")))
        for operator in operators * 2:
            await OutsiderKeeper(operator, subscriber, KEYS, KEYRING, Tombstones()).look()
        assert await users(operators[0]) == {
            "mas.agent:out:one",
            "mas.agent:out:one@1",
            "mas.agent:out:two@1",
        }
    for credentials in held:
        with blocking.Redis.from_url(credentials.redis_url.reveal(), protocol=2) as client:
            assert client.execute_command("PING")
