"""An agent that runs elsewhere has its own credentials, its own Redis user, and no rights beyond them."""

import json
import stat
from contextlib import asynccontextmanager

import anyio
import pytest
import redis as blocking
from redis.exceptions import ResponseError

import mas
from mas import Agent, ConfigurationError, EnrolmentRefused, MessageRefused, RedisUnavailable
from mas.clock import SYSTEM
from mas.directory import AgentRecord
from mas.ids import AgentId, InstanceId
from mas.outside import connect
from mas.redis import RedisRefused, open_redis
from mas.registry import SCRIPTS, Credentials, Lives, enrol_outsider, revoke, shut_out
from mas.settings import DeliverySettings, LimitSettings, RedisUrl
from mas.testing.server import redis_server
from tests.identity.conftest import Echo, Pen
from tests.identity.waiting import until
from tests.world import KEYRING, KEYS, audit

OUT, ONE = AgentId("out"), InstanceId("one")
LIVES = Lives(3600, 60)
ALL_TALK = [{"type": "allow_network", "agents": ["out", "in"]}]


@pytest.fixture
def server():
    """A Redis that lets in nobody without a password, and keeps its data over a restart."""
    with redis_server(port=0, password="operator", appendonly="yes") as started:
        yield started


@pytest.fixture
async def operator(server):
    """A connection with all rights."""
    async with open_redis(server.url, scripts=SCRIPTS) as opened:
        yield opened


@pytest.fixture
def system(server, running):
    """Open a system with one agent inside, which may talk to `out` and is answered."""

    @asynccontextmanager
    async def opened(**more):
        async with running(at=server.url, permissions=ALL_TALK, **{"in": Echo}, **more) as opened:
            yield opened

    return opened


def enrolled(operator, server, *, agent=OUT, instance=ONE, **how):
    return enrol_outsider(
        operator,
        KEYS,
        KEYRING,
        AgentRecord(agent, ("reading",)),
        instance,
        RedisUrl(server.url),
        now=SYSTEM.wall(),
        lives=LIVES,
        **how,
    )


async def test_it_asks_answers_is_told_and_keeps_state_without_a_right_to_scripts(
    system, operator, server, tmp_path
):
    async with system() as inside:
        file = tmp_path / "out.json"
        (await enrolled(operator, server)).write(file)
        async with mas.connect(file, Echo, delivery=DeliverySettings(lease=1)) as out:
            assert (await out.request("in", "ask", {"n": 1}, timeout=10)).data == {"n": 1}
            assert (await inside.agent("in").request("out", "ask", 2, timeout=10)).data == 2
            await inside.agent("in").send("out", "tell", "hello")
            assert await out.got.reaches(1) == ["hello"]
            await out.update_state({"seen": 3})
            assert (await operator.call("HGET", KEYS.state(OUT), "seen")) == b"3"
            assert [peer.agent_id for peer in await out.discover(timeout=10)] == ["in"]
            with pytest.raises(MessageRefused, match="AUTHZ_DENIED"):
                await out.send("nobody", "tell", confirm=True)
            await until(lambda: settled(operator, KEYS.stream(OUT)))


class Mute(Agent[dict[str, object]]):
    """Handles nothing."""


@pytest.mark.parametrize("bare", [Agent, Mute])
async def test_one_that_handles_nothing_speaks_and_leaves_its_agents_mail_to_who_does(
    system, operator, server, bare
):
    async with system() as inside:
        lease = DeliverySettings(lease=1)
        async with connect(await enrolled(operator, server), bare, delivery=lease) as script:
            await inside.agent("in").send("out", "tell", "kept", confirm=True)
            # It reads its answers after that: it had the chance.
            assert (await script.request("in", "ask", 1, timeout=10)).data == 1
            with pytest.raises(MessageRefused, match="AUTHZ_DENIED"):
                await script.send("nobody", "tell", confirm=True)
            assert await operator.call("XLEN", KEYS.stream(OUT)) == 1
        two = await enrolled(operator, server, instance=InstanceId("two"))
        async with connect(two, Echo, delivery=lease) as other:
            assert await other.got.reaches(1) == ["kept"]
        (letter,) = await operator.call("XRANGE", KEYS.dead_letters, "-", "+")
        assert b"AUTHZ_DENIED" in letter[1][1], "what it said itself"


async def test_one_that_takes_whatever_comes_takes_its_mail(system, operator, server):
    class Taker(Mute):
        async def on_message(self, message):
            await message.reply("taken")

    async with system() as inside, connect(await enrolled(operator, server), Taker):
        reply = await inside.agent("in").request("out", "whatever", timeout=10)
        assert reply.message_type == "taken"


async def settled(operator, stream):
    """Say whether nothing is pending or left on a stream."""
    pending, *_ = await operator.call("XPENDING", stream, "agents")
    return not pending and not await operator.call("XLEN", stream)


async def test_a_message_that_takes_longer_than_its_lease_is_renewed_and_handled_once(
    system, operator, server
):
    starts = []

    class Slow(Echo):
        @Agent.on("slow")
        async def slow(self, message, payload):
            starts.append(message.attempt)
            await anyio.sleep(2.5)
            await message.reply("done")

    async with system() as inside:
        one = await enrolled(operator, server)
        two = await enrolled(operator, server, instance=InstanceId("two"))
        lease = DeliverySettings(lease=1)
        async with connect(one, Slow, delivery=lease), connect(two, Slow, delivery=lease):
            await inside.agent("in").request("out", "slow", timeout=20)
        assert starts == [1]
        await until(lambda: settled(operator, KEYS.stream(OUT)))


async def test_a_handler_that_raises_is_tried_again_and_given_up_in_the_end(system, operator, server):
    starts = []

    class Failing(Echo):
        @Agent.on("fail")
        async def fail(self, message, payload):
            starts.append(message.attempt)
            raise ValueError

    async with system() as inside:
        limits = DeliverySettings(lease=1, max_attempts=3, backoff_first=0.01, backoff_cap=0.01)
        async with connect(await enrolled(operator, server), Failing, delivery=limits):
            with pytest.raises(MessageRefused, match="DEAD_LETTERED"):
                await inside.agent("in").request("out", "fail", timeout=20)
        assert starts == [1, 2, 3]
        assert await operator.call("XLEN", KEYS.dead_letters) == 1


async def test_what_one_instance_dropped_another_takes_up(system, operator, server):
    class Stuck(Echo):
        @Agent.on("tell")
        async def told(self, message, payload):
            self.got.note(message)
            await anyio.sleep_forever()

    async with system() as inside:
        limits = DeliverySettings(lease=1)
        async with connect(await enrolled(operator, server), Stuck, delivery=limits, grace=0) as stuck:
            await inside.agent("in").send("out", "tell", 7)
            await stuck.got.reaches(1)
        two = await enrolled(operator, server, instance=InstanceId("two"))
        async with connect(two, Echo, delivery=limits) as other:
            assert await other.got.reaches(1) == [7]
            await until(lambda: settled(operator, KEYS.stream(OUT)))


async def test_the_file_holds_its_own_and_nothing_else_and_is_its_owners_only(operator, server, tmp_path):
    file = tmp_path / "out.json"
    credentials = await enrolled(operator, server)
    credentials.write(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    held = json.loads(file.read_text())
    assert sorted(held) == ["agent_id", "instance_id", "namespace", "redis_url", "seal_key", "token"]
    assert "operator" not in file.read_text()
    assert held["token"] not in repr(credentials)
    assert repr(credentials) == "<Credentials of out:one>"
    again = Credentials.read(file)
    assert again.credential.token == credentials.credential.token
    assert again.redis_url == credentials.redis_url
    file.chmod(0o640)
    with pytest.raises(ConfigurationError, match="others may read these credentials"):
        Credentials.read(file)


@pytest.mark.parametrize("content", ["", "{}", '{"agent_id": "a:b"}', "[]", '{"token": "zz"}'])
def test_a_file_that_is_no_credentials_file_is_refused_without_being_quoted(tmp_path, content):
    file = tmp_path / "out.json"
    file.touch(0o600)
    file.write_text(content)
    with pytest.raises(ConfigurationError, match="not a credentials file"):
        Credentials.read(file)


async def test_enrolment_is_refused_while_redis_lets_in_anybody(redis):
    with pytest.raises(EnrolmentRefused, match="default user has no password"):
        await enrol_outsider(
            redis,
            KEYS,
            KEYRING,
            AgentRecord(OUT),
            ONE,
            RedisUrl("redis://localhost"),
            now=SYSTEM.wall(),
            lives=LIVES,
        )
    assert not await redis.call("EXISTS", KEYS.agent(OUT))


async def test_an_outsider_and_a_runner_do_not_take_each_others_id(system, operator, server):
    async with system():
        with pytest.raises(EnrolmentRefused, match="an agent of that id runs in a runner"):
            await enrolled(operator, server, agent=AgentId("in"))
        await enrolled(operator, server)
        async with system(out=Echo) as other:
            assert other.root.tree().children[-1].children[1].state == "stopped"


async def test_cutting_its_own_ingress_stream_or_ending_its_ids_hurts_only_itself(
    system, operator, server, tmp_path
):
    async with system() as inside:
        ingress = KEYS.ingress_of(OUT)
        bad = await enrolled(operator, server)
        good = await enrolled(operator, server, agent=AgentId("good"))
        with blocking.Redis.from_url(bad.redis_url.reveal(), protocol=2) as vandal:
            async with connect(bad, Echo) as out, connect(good, Echo) as other:
                assert (await out.request("in", "ask", 1, timeout=10)).data == 1
                for n in range(100):
                    vandal.execute_command("XADD", ingress, "MAXLEN", "0", "*", "n", n)
                assert (await out.request("in", "ask", 2, timeout=10)).data == 2
                vandal.execute_command("XADD", ingress, f"{2**64 - 1}-{2**64 - 1}", "n", "last")
                with pytest.raises(ResponseError, match=r"exceeds|equal or smaller|exhausted"):
                    await out.send("in", "ask")
                with pytest.raises(MessageRefused, match="AUTHZ_DENIED"):
                    await other.request("in", "ask", 3, timeout=10)
                # Others reach it still, and are reached; only what it says itself is lost.
                await inside.agent("in").send("out", "tell", 4)
                assert await out.got.reaches(1) == [4]


async def test_its_redis_user_is_made_again_after_a_restart_of_redis(system, operator, server, tmp_path):
    async with system() as inside, connect(await enrolled(operator, server), Echo) as out:
        assert (await out.request("in", "ask", 1, timeout=10)).data == 1
        server.restart()
        with anyio.fail_after(30):
            assert (await out.request("in", "ask", 2, timeout=25)).data == 2
            assert (await inside.agent("in").request("out", "ask", 3, timeout=25)).data == 3


async def test_a_revoke_closes_its_connections_and_its_user_stays_gone(system, operator, server):
    async with system() as inside:
        credentials = await enrolled(operator, server)
        user = KEYS.redis_user(OUT, ONE).encode()
        with pytest.raises(BaseException) as caught:
            async with connect(credentials, Echo) as out:
                await out.request("in", "ask", timeout=10)
                gone = await revoke(operator, KEYS, KEYRING, OUT, None)
                await shut_out(operator, KEYS, OUT, gone.instances)
                with anyio.fail_after(20):
                    await out.request("in", "ask", timeout=5)
        assert isinstance(caught.value, RedisUnavailable | TimeoutError)
        with pytest.raises(RedisRefused):
            async with connect(credentials, Echo):
                pass
        await until(lambda: inside._tombstones.refuses(OUT, ONE))
        assert user not in await operator.call("ACL", "USERS")
        with pytest.raises(EnrolmentRefused, match="out was revoked"):
            await enrolled(operator, server)


async def test_after_flushall_nothing_enrols_by_itself_but_what_the_yaml_lists(system, operator, server):
    async with system():
        await enrolled(operator, server)
        user = KEYS.redis_user(OUT, ONE).encode()
        assert user in await operator.call("ACL", "USERS")
        await operator.call("FLUSHALL")
        await until(lambda: operator.call("EXISTS", KEYS.agent(AgentId("in"))))

        async def user_is_gone():
            return user not in await operator.call("ACL", "USERS")

        await until(user_is_gone)
        assert not await operator.call("EXISTS", KEYS.agent(OUT))


async def test_credentials_are_renewed_from_their_file_without_a_restart(system, operator, server, tmp_path):
    async with system():
        file = tmp_path / "out.json"
        first = await enrolled(operator, server)
        first.write(file)
        async with connect(file, Echo) as out:
            await out.request("in", "ask", timeout=10)
            renewed = await enrolled(operator, server)
            assert renewed.redis_url != first.redis_url
            assert (await out.request("in", "ask", 1, timeout=10)).data == 1
            renewed.write(file)
            held = out._running._outbox._credential
            await until(lambda: held.token == renewed.credential.token)
            await operator.call("DEL", KEYS.previous_token_hash(OUT, ONE))
            assert (await out.request("in", "ask", 2, timeout=10)).data == 2


async def test_an_entry_dated_ahead_of_redis_clock_is_not_believed(system, operator, server):
    async with system():
        credentials = await enrolled(operator, server)
        ahead = SYSTEM.wall() + 400
        with blocking.Redis.from_url(credentials.redis_url.reveal(), protocol=2) as vandal:
            fields = Pen(credentials.credential).fields("in", at=ahead)
            vandal.xadd(KEYS.ingress_of(OUT), fields, id=f"{int(ahead * 1000)}-0")
        with server.client() as client:
            await until(lambda: client.xlen(KEYS.audit_messages))
            (record,) = audit(client)
        assert (record["decision"], record["stage"]) == ("EXPIRED", "lifetime")
        assert "ahead of Redis' clock" in record["reason"]


async def test_what_is_too_large_is_refused_where_it_is_sent_and_else_by_the_gateway_which_says_so(
    system, operator, server
):
    async with system(gateway={"limits": {"max_envelope": 2048}}):
        for limits in (LimitSettings(max_envelope=2048), None):
            async with mas.connect(await enrolled(operator, server), Echo, limits=limits) as out:
                with pytest.raises(MessageRefused, match="TOO_LARGE"):
                    await out.request("in", "ask", "x" * 3000, timeout=10)
        # Only the one that did not know the limit was submitted.
        info = await operator.call("XINFO", "STREAM", KEYS.ingress_of(OUT))
        assert dict(zip(info[::2], info[1::2], strict=True))[b"entries-added"] == 1
