"""What a process of an agent is given opens its own lanes in Redis and nothing else; all it needs works."""

import logging
import signal
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import anyio
import pytest
import redis as blocking
from redis.exceptions import AuthenticationError

from mas import Agent, MasError, MessageRefused, RequestTimeout, open_system
from mas.agent.process.words import Order
from mas.bus import HANDED_BACK
from mas.ids import AgentId, InstanceId
from mas.registry import leave, revoke, shut_out
from mas.testing.server import redis_server
from tests.agent.crew import Asking, Thief, Worker
from tests.cli.process import started, write
from tests.redis.waiting import until
from tests.world import ENVIRON, KEYRING, KEYS, SECRET, asking, deployment, entries, running

THIEF, BOSS = AgentId("thief"), AgentId("boss")
CONFINED = {"class_path": Thief, "process": True}
EMBEDDED = "unix:///nowhere"
OPENLY = {"features": {"dlp": False}}
"""Lets a password through, which is what the thief tells of."""
SHARED = "share this process's access to all of redis"


class Boss(Agent[dict[str, Any]]):
    """Asks from the owner's process."""


@asynccontextmanager
async def on(server, data_dir, **how):
    """Open a system on a server at a URL, or on its own."""
    config = deployment(server, **how)
    if server == EMBEDDED:
        del config["service_redis_url"]
    async with open_system(config | {"data_dir": str(data_dir)}, environ=ENVIRON) as system:
        yield system


def beyond(instance):
    """Return what nobody may do who is just that instance."""
    entry = ("*", "a", "b")
    return [
        ("GET", KEYS.policy),
        ("GET", KEYS.token_hash(THIEF, instance)),
        ("SET", KEYS.heartbeat(THIEF, instance), "1"),
        *(
            ("XRANGE", stream, "-", "+")
            for stream in (KEYS.stream(BOSS), KEYS.audit_messages, KEYS.dead_letters)
        ),
        *(("XADD", stream, *entry) for stream in (KEYS.stream(BOSS), KEYS.stream(THIEF))),
        *(("XADD", stream, *entry) for stream in (KEYS.ingress, KEYS.ingress_of(BOSS))),
        *(("XADD", stream, *entry) for stream in (KEYS.audit_messages, KEYS.audit_security)),
        ("XRANGE", KEYS.ingress_of(THIEF), "-", "+"),
        ("HGETALL", KEYS.state(BOSS)),
        ("HSET", KEYS.state(BOSS), "kept", "2"),
        ("DEL", KEYS.audit_messages),
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("EVAL", "return 1", "0"),
        ("SCRIPT", "LOAD", "return 1"),
        ("FUNCTION", "LIST"),
        ("ACL", "LIST"),
        ("ACL", "SETUSER", "friend", "on", "nopass", "allkeys", "allcommands"),
        ("CONFIG", "GET", "requirepass"),
        ("CONFIG", "SET", "requirepass", ""),
        ("KEYS", "*"),
        ("SCAN", "0"),
        ("RANDOMKEY",),
        ("PUBLISH", KEYS.ring(BOSS), "x"),
        ("SUBSCRIBE", KEYS.system),
        ("SELECT", "1"),
        ("CLIENT", "LIST"),
        ("MONITOR",),
        ("REPLICAOF", "NO", "ONE"),
        ("SHUTDOWN", "NOSAVE"),
    ]


def users(url):
    with asking(url) as client:
        return {name.decode() if isinstance(name, bytes) else name for name in client.acl_users()} - {
            "default"
        }


def own(system, name="thief"):
    """Return the Redis users of an agent's instances that run here."""
    return {KEYS.redis_user(seat.spec.agent_id, seat.instance) for seat in system.seats if seat.name == name}


@pytest.mark.parametrize("kind", ["external", "embedded"])
async def test_of_what_is_others_it_can_touch_nothing(closed_url, tmp_path, kind):
    server = closed_url if kind == "external" else EMBEDDED
    async with on(server, tmp_path / "data", gateway=OPENLY, thief=CONFINED, boss=Boss) as system:
        boss = system.agent("boss")
        await boss.update_state({"kept": 1})
        (seat,) = [seat for seat in system.seats if seat.name == "thief"]
        commands = beyond(seat.instance)
        said = (await boss.request("thief", "try", commands, timeout=20)).data
        assert [
            (*command, answer)
            for command, answer in zip(commands, said, strict=True)
            if "no permissions" not in answer.lower()
        ] == []
        lanes = [("XPENDING", KEYS.stream(THIEF), "agents"), ("PING",), ("HGETALL", KEYS.state(THIEF))]
        said = (await boss.request("thief", "try", lanes, timeout=20)).data
        assert not [answer for answer in said if answer.startswith("error")]
        # Nor does it help to come as nobody.
        refused = (await boss.request("thief", "enter", timeout=20)).data
        assert "refused a connection without a password" in refused
        held = (await boss.request("thief", "way", timeout=20)).data
        assert {held["user"]} == own(system)
        assert held["password"] not in held["shown"]
        assert (await system.redis.call("HGET", KEYS.state(BOSS), "kept")) == b"1"


async def test_all_that_an_agent_does_works_as_before(closed_url, tmp_path):
    journal = tmp_path / "journal"
    quick = {"delivery": {"max_attempts": 3, "backoff_first": 0.01, "backoff_cap": 0.01}}
    thief = CONFINED | {"init_kwargs": {"journal": str(journal)}}
    asker = {"class_path": Asking, "process": True}
    async with running(
        closed_url, gateway=quick, thief=thief, worker=Worker, asker=asker, boss=Boss
    ) as system:
        boss = system.agent("boss")
        assert (await boss.request("thief", "echo", 1, timeout=10)).data["data"] == 1
        relayed = (await boss.request("asker", "relay", 2, timeout=10)).data
        assert (relayed["answer"]["data"], relayed["state"]) == (2, {"asked": 1})
        assert (await boss.request("thief", "find", timeout=10)).data == ["asker", "boss", "worker"]
        with pytest.raises(MessageRefused, match="DEAD_LETTERED"):
            await boss.request("thief", "fail", timeout=20)
        assert journal.read_text().splitlines() == ["fail 1", "fail 2", "fail 3"]
        with asking(closed_url) as client:
            assert client.xlen(KEYS.dead_letters) == 1
            assert client.hget(KEYS.state(AgentId("asker")), "asked") == b"1"
            await until(lambda: not client.xlen(KEYS.stream(THIEF)))
            # What it says, it says in its own lane.
            assert client.xinfo_stream(KEYS.ingress_of(THIEF))["entries-added"] > 3
        await system.root.pause("agents/thief")
        with pytest.raises(RequestTimeout):
            await boss.request("thief", "echo", timeout=0.5)
        await system.root.resume("agents/thief")
        await system.root.restart("agents/thief")
        assert (await boss.request("thief", "echo", 3, timeout=10)).data["data"] == 3


async def test_each_instance_has_an_account_of_its_own_until_it_ends(closed_url):
    async with running(closed_url, gateway=OPENLY, thief=CONFINED | {"instances": 3}, boss=Boss) as system:
        seats = [seat for seat in system.seats if seat.spec.agent_id == THIEF]
        names = {KEYS.redis_user(THIEF, seat.instance) for seat in seats}
        assert users(closed_url) == names
        assert len(names) == 3
        accounts = {tuple(system._roster.account(seat.instance)) for seat in seats}
        held = (await system.agent("boss").request("thief", "way", timeout=10)).data
        assert (held["user"], held["password"]) in accounts
        assert {user for user, _ in accounts} == names
        for user, password in accounts:
            with as_user(closed_url, user, password) as client:
                mine = InstanceId(user.rpartition(":")[2])
                for seat in seats:
                    stream = KEYS.instance_stream(THIEF, seat.instance)
                    assert allowed(client, "XLEN", stream) is False
                    assert allowed(client, "XRANGE", stream, "-", "+") is (seat.instance == mine)
    assert users(closed_url) == set()


@contextmanager
def as_user(url, user, password):
    with blocking.Redis.from_url(url, username=user, password=password, protocol=2) as client:
        client.connection_pool.connection_kwargs.update(username=user, password=password)
        yield client


def allowed(client, *command):
    try:
        client.execute_command(*command)
    except blocking.exceptions.NoPermissionError:
        return False
    return True


async def test_what_it_hands_back_when_it_is_stopped_another_takes_at_once(closed_url, tmp_path):
    journal = tmp_path / "journal"
    two = CONFINED | {"instances": 2, "init_kwargs": {"journal": str(journal)}}
    patient = {"delivery": {"lease": 600, "backoff_first": 600, "backoff_cap": 600}}
    async with running(closed_url, gateway=patient, thief=two, boss=Boss) as system:
        boss = system.agent("boss")
        await system.root.pause("agents/thief-2")
        await system.seats[1].quiet()
        await boss.send("thief", "fail")
        await until(journal.exists)
        await system.root.resume("agents/thief-2")
        with asking(closed_url) as client, client.pubsub() as rings:
            rings.subscribe(KEYS.ring(THIEF))
            await system.root.stop("agents/thief-1")
            await until(lambda: (rings.get_message() or {}).get("data") == HANDED_BACK)
        await until(lambda: journal.read_text().splitlines() == ["fail 1", "stopped", "fail 2"])


async def test_killed_with_its_runner_it_leaves_no_account_behind(tmp_path, anyio_backend):
    code = "from tests.agent.crew import Thief"
    agents = 'agents: [{agent_id: thief, class_path: "people:Thief", process: true}]'
    here = write(tmp_path, code=code, agents=agents)
    with redis_server(port=0, password="operator") as server:
        variables = {"MAS_SERVICE_REDIS_URL": server.url, "MAS_SECRET": SECRET}
        run = partial(started, "run", "--only", "agents", "--backend", anyio_backend, cwd=here, **variables)
        parts = frozenset({"gateway", "service"})
        async with running(server.url, parts=parts):
            with run() as first:
                first.ready()
                (victim,) = users(server.url)
                first.signal(signal.SIGKILL)
                first.ended()
            with server.client() as client, run() as second:
                second.ready()
                # Its last sign of life would take its time to expire.
                client.delete(KEYS.heartbeat(THIEF, InstanceId(victim.rpartition(":")[2])))
                await until(lambda: victim not in users(server.url), within=20)
                (survivor,) = users(server.url)
                assert survivor != victim
                assert second.stop() == 0
            assert users(server.url) == set()


async def answers(boss, kind="echo"):
    try:
        return await boss.request("thief", kind, timeout=1)
    except MasError:
        return None


async def answered(boss, kind="echo", *, within=40):
    with anyio.fail_after(within):
        while True:
            if (answer := await answers(boss, kind)) is not None:
                return answer.data
            await anyio.sleep(0.05)


async def test_after_a_flush_it_goes_on_under_another_password(closed_url):
    async with running(closed_url, gateway=OPENLY, thief=CONFINED, boss=Boss) as system:
        before = await answered(system.agent("boss"), "way")
        with asking(closed_url) as client:
            client.flushall()
        after = await answered(system.agent("boss"), "way")
        assert after["user"] == before["user"]
        assert after["password"] != before["password"]
        assert users(closed_url) == own(system)
        with (
            as_user(closed_url, before["user"], before["password"]) as late,
            pytest.raises(AuthenticationError),
        ):
            late.ping()


async def test_its_account_is_made_again_after_a_restart_of_redis():
    with redis_server(port=0, password="operator", appendonly="yes") as server:
        async with running(server.url, thief=CONFINED, boss=Boss) as system:
            before = await answered(system.agent("boss"))
            server.restart()
            assert (await answered(system.agent("boss"))) == before  # the same process
            assert users(server.url) == own(system)


async def test_a_rotation_reaches_its_next_connection(closed_url):
    async with running(closed_url, gateway=OPENLY, thief=CONFINED, boss=Boss) as system:
        boss = system.agent("boss")
        before = await answered(boss, "way")
        (seat,) = [seat for seat in system.seats if seat.name == "thief"]
        await system._roster.rotate(seat.instance)
        with as_user(closed_url, before["user"], before["password"]) as still:
            assert still.ping()
        await until(lambda: not seat.life._orders)
        with asking(closed_url) as client:
            client.acl_setuser(before["user"], enabled=True, passwords=[f"-{before['password']}"])
            client.execute_command("CLIENT", "KILL", "USER", before["user"])
        after = await answered(boss, "way")
        assert after["user"] == before["user"]
        assert after["password"] != before["password"]


async def test_a_revoke_takes_its_account_for_good(closed_url):
    async with running(closed_url, gateway=OPENLY, thief=CONFINED, boss=Boss) as system:
        held = await answered(system.agent("boss"), "way")
        gone = await revoke(system.redis, KEYS, KEYRING, THIEF, None)
        await shut_out(system.redis, KEYS, THIEF, gone.instances)
        with as_user(closed_url, held["user"], held["password"]) as late, pytest.raises(AuthenticationError):
            late.ping()
        (seat,) = [seat for seat in system.seats if seat.name == "thief"]
        await until(lambda: not seat.pid, within=30)
        assert users(closed_url) == set()


async def test_thought_dead_by_mistake_it_gets_account_and_stream_again(closed_url):
    """As when its runner stood still for longer than a heartbeat lasts, and then went on."""
    async with running(closed_url, thief=CONFINED, boss=Boss) as system:
        boss = system.agent("boss")
        await answered(boss)
        (seat,) = [seat for seat in system.seats if seat.name == "thief"]
        await leave(system.redis, KEYS, THIEF, seat.instance, in_flight=3600)
        await until(lambda: users(closed_url) == set())
        await system._roster._heartbeat.beat()
        await answered(boss)
        with asking(closed_url) as client:
            await until(lambda: client.exists(KEYS.instance_stream(THIEF, seat.instance)))
        # Its own stream is where answers come.
        assert await answered(boss, "find") == ["boss"]
        assert users(closed_url) == own(system)


@pytest.fixture
def looking_often(monkeypatch):
    monkeypatch.setattr("mas.registry.outsiders.INTERVAL", 0.2)


@pytest.mark.parametrize("command", [("XGROUP", "DESTROY"), ("DEL",)])
@pytest.mark.parametrize("lost", ["shared", "own"])
async def test_where_its_stream_or_group_is_lost_it_hears_again(closed_url, looking_often, lost, command):
    async with running(closed_url, thief=CONFINED, boss=Boss) as system:
        boss = system.agent("boss")
        before = await answered(boss)
        (seat,) = [seat for seat in system.seats if seat.name == "thief"]
        streams = {"shared": KEYS.stream(THIEF), "own": KEYS.instance_stream(THIEF, seat.instance)}
        with asking(closed_url) as client:
            await until(lambda: not client.xlen(KEYS.stream(THIEF)))
            client.execute_command(*command, streams[lost], *(["agents"] if command[1:] else []))
        assert (await answered(boss))["pid"] == before["pid"]
        assert await answered(boss, "find") == ["boss"]


async def test_where_the_list_that_names_it_is_lost_it_keeps_its_account(closed_url, looking_often):
    async with running(closed_url, gateway=OPENLY, thief=CONFINED, boss=Boss) as system:
        boss = system.agent("boss")
        before = await answered(boss, "way")
        with asking(closed_url) as client:
            client.delete(KEYS.confined)
            await until(lambda: client.smembers(KEYS.confined) == {b"thief"})
            await until(lambda: "mas.confined" in str(entries(client, KEYS.audit_security)))
        assert await answered(boss, "way") == before
        assert users(closed_url) == own(system)


async def test_what_it_said_is_decided_although_it_is_confined_no_more(closed_url):
    async with running(closed_url, thief=CONFINED, boss=Boss) as system:
        await answered(system.agent("boss"))
    ingress = KEYS.ingress_of(THIEF)
    with asking(closed_url) as client:
        client.xadd(ingress, {"left": "over"})
        async with running(closed_url, thief=Thief, boss=Boss) as system:
            await answered(system.agent("boss"))
            await until(lambda: not client.xlen(ingress))
            assert [letter for letter in entries(client, KEYS.audit_messages) if "MALFORMED" in str(letter)]


async def test_beside_instances_that_are_not_confined_it_is_heard_like_them(closed_url):
    talk = [{"type": "allow_network", "agents": ["thief", "boss"]}]
    async with (
        running(closed_url, permissions=talk, thief=CONFINED, boss=Boss) as one,
        running(closed_url, permissions=talk, thief=Thief) as two,
    ):
        pids = []
        for other in (two, one):
            await other.root.pause("agents/thief")
            (seat,) = [seat for seat in other.seats if seat.name == "thief"]
            await seat.quiet()  # it has heard of the pause
            pids.append((await answered(one.agent("boss")))["pid"])
            await other.root.resume("agents/thief")
        assert len(set(pids)) == 2
        assert users(closed_url) == own(one)


@pytest.fixture
def unable_url():
    """Give the URL of a Redis as a user opens it who has no say over users."""
    with redis_server(port=0, password="operator") as server:
        with server.client() as client:
            rules = ("reset", "on", ">CANARY", "~*", "&*", "+@all", "-acl")
            client.execute_command("ACL", "SETUSER", "mas", *rules)
        yield server.url.replace(":operator@", "mas:CANARY@")


@pytest.mark.parametrize(
    ("place", "mend"), [("redis_url", "requirepass"), ("unable_url", "use ACL commands")]
)
async def test_where_redis_allows_no_account_it_runs_as_ever_and_that_is_said_once(
    request, place, mend, caplog
):
    caplog.set_level(logging.WARNING, "mas")
    other = {"class_path": Worker, "process": True}
    async with running(request.getfixturevalue(place), thief=CONFINED, other=other, boss=Boss) as system:
        assert (await answered(system.agent("boss")))["data"] == {}
        assert await system.redis.call("XLEN", KEYS.ingress_of(THIEF)) == 0
        (record,) = [record for record in caplog.records if SHARED in record.getMessage()]
        assert record.levelno == logging.WARNING
        told = str(record.__dict__)
        assert mend in told
        assert "['other', 'thief']" in told


def test_no_repr_shows_what_it_is_given():
    order = Order("renew", b"CANARY", "redis://user:CANARY@localhost")
    assert "CANARY" not in repr(order)
