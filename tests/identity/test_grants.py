"""A grant enrols one instance of one agent, once, in time; its holder never sees the secret."""

import time

import anyio
import msgspec
import pytest
import redis as blocking
from redis.exceptions import ResponseError

import mas
from mas import ConfigurationError, EnrolmentRefused, IntegrityError
from mas.audit import Events
from mas.directory import AgentRecord, Tombstones
from mas.ids import AgentId, InstanceId
from mas.redis import RedisRefused, open_redis
from mas.registry import SCRIPTS, GrantFile, GrantKeeper, issue_grant, redeem, revoke
from mas.settings import RedisUrl
from mas.testing.server import redis_server
from mas.trust.grant import lock_answer, prove_grant, unlock_answer
from tests.identity.conftest import Echo
from tests.identity.waiting import until
from tests.world import KEYRING, KEYS

OUT, ONE = AgentId("out"), InstanceId("one")
TALK = [{"type": "allow_network", "agents": ["out", "in"]}]


@pytest.fixture
def server():
    with redis_server(port=0, password="operator") as started:
        yield started


@pytest.fixture
async def operator(server):
    async with open_redis(server.url, scripts=SCRIPTS) as opened:
        yield opened


@pytest.fixture
def system(server, running):
    return lambda: running(at=server.url, permissions=TALK, **{"in": Echo})


def issued(operator, server, *, life=60.0, instance=None):
    return issue_grant(
        operator,
        KEYS,
        KEYRING,
        AgentRecord(OUT, outside=True),
        RedisUrl(server.url),
        now=time.time(),
        life=life,
        token_life=600,
        instance=instance,
    )


async def test_a_grant_becomes_credentials_once(system, operator, server, tmp_path):
    async with system():
        (await issued(operator, server)).write(tmp_path / "grant.json")
        assert (tmp_path / "grant.json").stat().st_mode & 0o777 == 0o600
        grant = GrantFile.read(tmp_path / "grant.json")
        assert "operator" not in grant.redis_url
        assert grant.key not in repr(grant)
        async with mas.connect(await redeem(grant, ONE), Echo) as out:
            assert (await out.request("in", "ask", 1, timeout=10)).data == 1
        # What was answered is locked and waits a minute; a second instance gets nothing of it.
        await operator.call("DEL", KEYS.grant_answer(grant.grant_id))
        with pytest.raises(EnrolmentRefused, match="nobody answered"):
            await redeem(grant, InstanceId("two"), patience=2)

        async def user_is_gone():
            return KEYS.grant_user(grant.grant_id).encode() not in await operator.call("ACL", "USERS")

        await until(user_is_gone)
        assert not await operator.call("SISMEMBER", KEYS.grants, grant.grant_id)


async def test_an_expired_grant_is_good_for_nothing(system, operator, server):
    async with system():
        grant = await issued(operator, server, life=0.3)
        await until(lambda: gone(operator, grant))
        with pytest.raises((RedisRefused, EnrolmentRefused)):
            await redeem(grant, ONE, patience=1.5)
        assert not await operator.call("EXISTS", KEYS.agent(OUT))


async def gone(operator, grant):
    """Say whether Redis has forgotten a grant."""
    return not await operator.call("EXISTS", KEYS.grant(grant.grant_id))


@pytest.mark.parametrize("changed", ["agent_id", "expires_at", "key"])
async def test_a_grant_that_was_changed_enrols_nobody(system, operator, server, changed):
    async with system():
        grant = await issued(operator, server)
        other = {"agent_id": "boss", "expires_at": grant.expires_at + 10**6, "key": "00" * 32}[changed]
        forged = msgspec.structs.replace(grant, **{changed: other})
        if changed == "key":
            with pytest.raises(EnrolmentRefused, match="nobody answered"):
                await redeem(forged, ONE, patience=2)
            assert not await operator.call("EXISTS", KEYS.agent(OUT))
        else:
            # What it says of itself is for its holder only: the deployment goes by its own record.
            assert (await redeem(forged, ONE)).credential.agent_id == OUT
        assert not await operator.call("EXISTS", KEYS.agent(AgentId("boss")))


async def test_a_grant_put_into_redis_by_hand_is_refused_with_an_alarm(system, operator, server):
    async with system():
        grant = await issued(operator, server)
        stored = await operator.call("GET", KEYS.grant(grant.grant_id))
        await operator.call("SET", KEYS.grant(grant.grant_id), stored.replace(b'"out"', b'"boss"'), "EX", 60)
        with pytest.raises(EnrolmentRefused, match="nobody answered"):
            await redeem(grant, ONE, patience=2)
        with anyio.fail_after(10):
            await until(lambda: operator.call("XLEN", KEYS.audit_security))
        assert not await operator.call("EXISTS", KEYS.agent(AgentId("boss")))


async def test_a_grant_does_not_outlast_a_revoke(system, operator, server):
    async with system():
        grant = await issued(operator, server)
        await revoke(operator, KEYS, KEYRING, OUT, None, reason="changed our mind")
        with pytest.raises(EnrolmentRefused, match="changed our mind"):
            await redeem(grant, ONE)


async def test_a_grant_takes_no_instance_over_unless_it_was_issued_for_just_that_one(
    system, operator, server
):
    async with system():
        first = await redeem(await issued(operator, server), ONE)
        with pytest.raises(
            EnrolmentRefused, match="out:one is enrolled already; a grant for out:one renews it"
        ):
            await redeem(await issued(operator, server), ONE)
        with pytest.raises(EnrolmentRefused, match="the grant is for out:one"):
            await redeem(await issued(operator, server, instance=ONE), InstanceId("two"))
        async with mas.connect(first, Echo) as out:
            assert (await out.request("in", "ask", 1, timeout=10)).data == 1
        grant = await issued(operator, server, instance=ONE)
        assert grant.instance_id == ONE
        renewed = await redeem(grant, ONE)
        assert renewed.credential.token != first.credential.token
        async with mas.connect(renewed, Echo) as out:
            assert (await out.request("in", "ask", 2, timeout=10)).data == 2


async def test_asking_again_for_another_instance_does_not_get_the_first_ones_credentials(
    system, operator, server
):
    async with system():
        grant = await issued(operator, server)
        told = await redeem(grant, ONE)
        # The answer waits a minute, for a holder who was cut off before it came.
        assert (await redeem(grant, ONE)).credential.token == told.credential.token
        with pytest.raises(EnrolmentRefused, match="redeemed already, for one"):
            await redeem(grant, InstanceId("two"))


async def test_what_a_grant_opens_in_redis_is_its_own_question_and_answer(operator, server):
    grant = await issued(operator, server)
    with blocking.Redis.from_url(grant.redis_url, protocol=2) as holder:
        holder.set(KEYS.grant_asked(grant.grant_id), "x")
        assert holder.get(KEYS.grant_answer(grant.grant_id)) is None
        for command in (
            ("GET", KEYS.grant(grant.grant_id)),
            ("SET", KEYS.grant(grant.grant_id), "x"),
            ("SET", KEYS.grant_answer(grant.grant_id), "x"),
            ("GET", KEYS.grant_asked(grant.grant_id)),
            ("SMEMBERS", KEYS.grants),
            ("XADD", KEYS.ingress, "*", "a", "b"),
            ("GET", KEYS.policy),
            ("EVAL", "return 1", "0"),
            ("KEYS", "*"),
        ):
            with pytest.raises(ResponseError, match=r"(?i)no permissions"):
                holder.execute_command(*command)


async def test_no_grant_while_redis_lets_in_anybody(redis):
    with pytest.raises(EnrolmentRefused, match="default user has no password"):
        await issue_grant(
            redis,
            KEYS,
            KEYRING,
            AgentRecord(OUT),
            RedisUrl("redis://localhost"),
            now=0,
            life=60,
            token_life=60,
        )


def test_answers_open_for_their_grant_only():
    key, other = b"k" * 32, b"o" * 32
    locked = lock_answer(key, "g", b"told")
    assert unlock_answer(key, "g", locked) == b"told"
    for wrong in ((other, "g", locked), (key, "h", locked), (key, "g", locked[:-1]), (key, "g", b"")):
        with pytest.raises(IntegrityError):
            unlock_answer(*wrong)
    assert prove_grant(key, "g", "one") != prove_grant(key, "g", "two")


def test_a_file_that_is_no_grant_is_refused(tmp_path):
    file = tmp_path / "grant.json"
    file.touch(0o600)
    for content in ("", "{}", '{"agent_id": "a", "key": "zz"}'):
        file.write_text(content)
        with pytest.raises(ConfigurationError, match="this is not a grant"):
            GrantFile.read(file)


async def test_a_spent_grant_leaves_nothing_and_its_holder_waits_for_the_answer(operator, server):
    grant = await issued(operator, server)
    mine = f"*{grant.grant_id}*"
    with blocking.Redis.from_url(grant.redis_url) as holder:
        holder.set(KEYS.grant_asked(grant.grant_id), "x" * 100)
    # Another keeper took it, and is about to answer.
    await operator.call("DEL", KEYS.grant(grant.grant_id))
    keeper = GrantKeeper(
        operator, KEYS, KEYRING, Tombstones(), Events(operator, KEYS, KEYRING, "test"), in_flight=60
    )
    await keeper.look()
    assert KEYS.grant_user(grant.grant_id).encode() in await operator.call("ACL", "USERS")
    await operator.call("SET", KEYS.grant_answer(grant.grant_id), "x")
    for _ in range(2):
        await keeper.look()
        assert KEYS.grant_user(grant.grant_id).encode() in await operator.call("ACL", "USERS")
    await operator.call("DEL", KEYS.grant_answer(grant.grant_id))
    for _ in range(2):
        await keeper.look()
    assert KEYS.grant_user(grant.grant_id).encode() not in await operator.call("ACL", "USERS")
    assert await operator.call("KEYS", mine) == await operator.call("SMEMBERS", KEYS.grants) == []
