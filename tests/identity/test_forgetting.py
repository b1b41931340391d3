"""`mas agents forget`: a registration ends when an operator says so, and only if nothing of it is needed."""

import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import redis as blocking
import yaml

import mas
from mas import Agent, Decision, ForgetRefused, MessageRefused
from mas.audit import EventKind
from mas.cli.exits import REFUSED
from mas.clock import SYSTEM
from mas.directory import AgentRecord
from mas.ids import AgentId, InstanceId
from mas.keys import AGENT_GROUP
from mas.letters import HOLDER, Unwanted, write_unwanted
from mas.redis import open_redis
from mas.registry import SCRIPTS, Lives, enrol, enrol_outsider, forget, leave, revoke
from mas.settings import RedisUrl
from mas.testing.server import redis_server
from mas.trust import Keyring
from tests.hand import decided, enrolled
from tests.identity.conftest import Echo
from tests.identity.waiting import until
from tests.world import ENVIRON, KEYRING, KEYS, Tally, asking, audit, entries, letters

OLD, OUT, ONE = AgentId("old"), AgentId("out"), InstanceId("one")
TALK = [{"type": "allow_wildcard", "agent": name} for name in ("a", "b", "hand", "out")]
LIVES = Lives(3600, 60)
AGENTS, GATEWAYS = frozenset({"service", "agents"}), frozenset({"gateway"})


class Slow(Agent[dict[str, Any]]):
    """Handles until it is let go."""

    def __init__(self, agent_id):
        super().__init__(agent_id)
        self.begun, self.ended, self.go = Tally(), Tally(), anyio.Event()

    @Agent.on("work")
    async def work(self, message, payload):
        self.begun.note(1)
        try:
            await self.go.wait()
        finally:
            self.ended.note(1)


@pytest.fixture
def server():
    with redis_server(port=0, password="operator") as started:
        yield started


@pytest.fixture
async def operator(server):
    async with open_redis(server.url, scripts=SCRIPTS) as opened:
        yield opened


@pytest.fixture
def scene(running, server):
    """Open a system whose `a` may write to everybody, with a client beside it."""

    @asynccontextmanager
    async def opened(*names, old=None, **how):
        agents = dict.fromkeys(("a", *names), Echo) | ({} if old is None else {"old": old})
        with asking(server.url) as client:
            async with running(at=server.url, permissions=TALK, **how, **agents) as system:
                yield system, client

    return opened


@pytest.fixture
def typed(server, tmp_path):
    """Type a command of `mas agents` beside a deployment whose only agent is `a`; return what came of it."""
    config = {
        "service_redis_url": server.url,
        "data_dir": str(tmp_path / "data"),
        "agents": [{"agent_id": "a", "class_path": "tests.identity.conftest:Echo"}],
    }
    (tmp_path / "agents.yaml").write_text(yaml.safe_dump(config))

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "mas", "agents", *words],
            cwd=tmp_path,
            env={**os.environ, **ENVIRON},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    async def in_thread(*words):
        return await anyio.to_thread.run_sync(run, *words)

    return in_thread


def about(client, agent):
    """Return the keys named after an agent and the sets that list it, but no marks that end by themselves."""
    keys = [key.decode() for key in client.scan_iter()]
    lists = {key for key in keys if client.type(key) == b"set" and client.sismember(key, agent)}
    marks = {key for key in keys if key.startswith(("mas.replay:", "mas.answered:")) and client.ttl(key) > 0}
    return ({key for key in keys if agent in key.split(":")} - marks) | lists


def everything(client):
    """Return what Redis holds of agents, but for what says that they live."""
    kept = (b"agent", b"mas.agents", b"mas.outsiders", b"mas.capability", b"mas.gateway.ingress:")
    lasting = [key for key in client.scan_iter() if key.startswith(kept) and client.ttl(key) < 0]
    return {key: held(client, key) for key in lasting}


def held(client, key):
    """Return what a key holds, but not when the consumers of a stream were last seen."""
    if client.type(key) != b"stream":
        return client.dump(key)
    groups = client.xinfo_groups(key)
    return client.xrange(key), [(each["name"], each["pending"], each["last-delivered-id"]) for each in groups]


def told(client):
    """Return the security events, kind and subject."""
    found = [json.loads(entry["record"]) for entry in entries(client, KEYS.audit_security)]
    return [(each["event"], each["subject"]) for each in found]


async def refusal(operator, **how):
    """Forget the agent; return why it is refused, "" if it is not."""
    try:
        await forget(operator, KEYS, KEYRING, OLD, **how)
    except ForgetRefused as refused:
        return refused.reason
    return ""


async def gone(scene, *names):
    """Have agents run once, and end."""
    async with scene(*names):
        pass


async def waiting(system, client, *, count=1, agent=OLD):
    """Have messages wait for an agent that is away."""
    for number in range(count):
        await system.agent("a").send(agent, "tell", number, confirm=True)
    assert client.xlen(KEYS.stream(agent)) == count


async def test_an_agent_that_was_renamed_stays_until_it_is_forgotten(scene, typed):
    await gone(scene, "old")
    async with scene("new") as (system, client):
        a = system.agent("a")
        # It is still found, and mail is still taken for it: it may come back.
        assert [peer.agent_id for peer in await a.discover()] == ["new", "old"]
        await waiting(system, client, count=2)
        listed = json.loads((await typed("list", "--json")).stdout)
        (shown,) = [each for each in listed if each["agent_id"] == "old"]
        assert shown["mail"] == 2
        assert 0 <= shown["away_seconds"] < 60
        assert [each["away_seconds"] for each in listed if each["agent_id"] != "old"] == [None, None]
        (line,) = [each for each in (await typed("list")).stdout.splitlines() if each.startswith("old")]
        assert line.split()[-3:] == ["0.0", "h", "2"]
        client.hset(KEYS.state(OLD), "kept", "1")
        before = everything(client)
        refused = await typed("forget", "old")
        assert refused.returncode == REFUSED
        assert "2 deliveries wait or are pending" in refused.stderr
        assert everything(client) == before
        done = await typed("forget", "old", "--with-mail")
        assert (done.returncode, done.stdout) == (0, "old is forgotten; its state is kept\n"), done.stderr
        assert about(client, "old") == {KEYS.state(OLD)}
        with pytest.raises(MessageRefused) as unknown:
            await a.send("old", "tell", 3, confirm=True)
        assert unknown.value.decision is Decision.TARGET_UNKNOWN
        assert [peer.agent_id for peer in await a.discover()] == ["new"]
        assert (await a.request("new", "ask", 4, timeout=10)).data == 4
        assert about(client, "old") == {KEYS.state(OLD)}
        await until(lambda: sum(system.decisions.values()) == len(audit(client)))
        assert system.decisions[Decision.DEAD_LETTERED] == 2
        events = told(client)
        assert events[-2:] == [(EventKind.CONTROL, "old"), (EventKind.FORGOTTEN, "old")]
        assert EventKind.ALARM not in [kind for kind, _ in events]


async def test_what_waited_is_buried_as_any_delivery_and_its_sender_told(scene, operator):
    await gone(scene, "old")
    async with scene() as (system, client), anyio.create_task_group() as tasks:
        heard = []

        async def ask():
            with pytest.raises(MessageRefused) as refusal:
                await system.agent("a").request("old", "ask", 7, timeout=20)
            heard.append(refusal.value)

        tasks.start_soon(ask)
        await until(lambda: client.xlen(KEYS.stream(OLD)) == 1)
        assert not await forget(operator, KEYS, KEYRING, OLD, with_mail=20, actor="somebody")
        await until(lambda: heard)
        assert heard[0].decision is Decision.DEAD_LETTERED
        assert "forgotten, says somebody" in heard[0].reason
        (letter,) = letters(client)
        assert (letter["decision"], letter["target"], letter["sender"]) == ("DEAD_LETTERED", "old", "a")
        assert letter["envelope"]["data"] == 7
        assert [record["decision"] for record in audit(client)] == ["ALLOWED", "DEAD_LETTERED"]
        # Nobody failed over it.
        assert not client.exists(KEYS.circuit(OLD))


@pytest.mark.parametrize("with_mail", [0, 5])
async def test_one_that_lives_is_not_forgotten(scene, operator, typed, with_mail):
    async with scene("old") as (system, client):
        before = everything(client)
        with pytest.raises(ForgetRefused, match="lives"):
            await forget(operator, KEYS, KEYRING, OLD, with_mail=with_mail)
        assert everything(client) == before
        refused = await typed("forget", "old", *(["--with-mail"] if with_mail else []))
        assert refused.returncode == REFUSED
        assert f"its instance {system.seats[1].instance} lives" in refused.stderr
        assert (await system.agent("a").request("old", "ask", 1, timeout=10)).data == 1


async def test_what_it_submitted_last_is_decided_first(scene, operator):
    async with scene(parts=AGENTS) as (system, client):
        hand = await enrolled(system, client, "hand")
        hand.send("a", "tell", 1)
        await leave(operator, KEYS, hand.agent, hand.instance, in_flight=60)
        with pytest.raises(ForgetRefused, match="waits to be decided"):
            await forget(operator, KEYS, KEYRING, hand.agent)
        async with scene(parts=GATEWAYS):
            assert await system.agent("a").got.reaches(1) == [1]
            await decided(client)
        await forget(operator, KEYS, KEYRING, hand.agent)
        assert [record["decision"] for record in audit(client)] == ["ALLOWED"]
        assert about(client, "hand") == set()


async def test_who_comes_back_is_registered_anew(scene, operator):
    await gone(scene, "old")
    await forget(operator, KEYS, KEYRING, OLD)
    async with scene("old") as (system, client):
        assert (await system.agent("a").request("old", "ask", 1, timeout=10)).data == 1
        assert client.sismember(KEYS.agents, "old")
        assert client.hget(KEYS.agent(OLD), "left") is None


async def test_the_end_of_a_registration_is_told_to_all_who_listen(scene, operator):
    await gone(scene, "old")
    with asking(url_of(operator)) as client, client.pubsub() as heard:
        heard.subscribe(KEYS.system)
        heard.get_message(timeout=1)
        await forget(operator, KEYS, KEYRING, OLD)
        assert json.loads(heard.get_message(timeout=1)["data"]) == {"event": "DEREGISTER", "agent_id": "old"}


async def test_one_that_ran_elsewhere_is_forgotten_with_its_ingress_and_gateways_go_on(
    scene, operator, server, typed, tmp_path, caplog
):
    async with scene("b") as (system, client):
        for instance in ("one", "two"):
            assert (await typed("enroll", f"out:{instance}", "--capability", "x")).returncode == 0
        file = tmp_path / "out.one.credentials.json"
        async with mas.connect(file, Echo) as out:
            assert (await out.request("b", "ask", 1, timeout=10)).data == 1
        refused = await typed("forget", "out")
        assert refused.returncode == REFUSED
        assert "mas agents revoke out" in refused.stderr
        assert client.exists(KEYS.ingress_of(OUT))
        assert (await typed("revoke", "out")).returncode == 0
        caplog.clear()
        done = await typed("forget", "out")
        assert (done.returncode, done.stdout) == (0, "out is forgotten\n"), done.stderr
        assert about(client, "out") == set()
        assert client.acl_users() == ["default"]
        assert "revoked" in (await typed("list")).stdout
        assert (await system.agent("a").request("b", "ask", 2, timeout=10)).data == 2
        # It read that stream, and the loss of it was no error.
        assert [each.message for each in caplog.records if each.levelname in {"ERROR", "CRITICAL"}] == []
        assert EventKind.ALARM not in [kind for kind, _ in told(client)]
        assert not client.exists(KEYS.ingress_of(OUT))
        # The tombstone still forbids; once it is lifted, everything is as at the beginning.
        assert (await typed("enroll", "out:one", "-o", "again.json")).returncode == REFUSED
        assert (await typed("lift", "out")).returncode == 0
        assert (await typed("enroll", "out:one", "-o", "again.json")).returncode == 0
        async with mas.connect(tmp_path / "again.json", Echo) as out:
            assert (await out.request("b", "ask", 3, timeout=10)).data == 3


async def test_one_that_ran_in_a_process_of_its_own_is_forgotten_with_its_ingress(scene, operator, caplog):
    apart = {"class_path": "tests.identity.conftest:Echo", "process": True}
    async with scene(old=apart) as (system, client):
        assert (await system.agent("a").request("old", "ask", 1, timeout=20)).data == 1
        assert client.sismember(KEYS.confined, "old")
    async with scene() as (system, client):
        assert client.exists(KEYS.ingress_of(OLD))
        caplog.clear()
        await forget(operator, KEYS, KEYRING, OLD)
        with pytest.raises(MessageRefused) as unknown:
            await system.agent("a").send("old", "tell", 2, confirm=True)
        assert unknown.value.decision is Decision.TARGET_UNKNOWN
        assert about(client, "old") == set()
        assert client.acl_users() == ["default"]
        assert [each.message for each in caplog.records if each.levelname in {"ERROR", "CRITICAL"}] == []


async def test_a_user_that_still_writes_brings_nothing_back(operator, server):
    """Its token expired while no gateway ran, which would have taken its Redis user."""
    url = RedisUrl(server.url)
    file = await enrol_outsider(
        operator, KEYS, KEYRING, AgentRecord(OUT), ONE, url, now=SYSTEM.wall(), lives=LIVES
    )
    with asking(server.url) as client, blocking.Redis.from_url(file.redis_url.reveal()) as holder:
        client.delete(KEYS.token_hash(OUT, ONE))
        holder.set(KEYS.heartbeat(OUT, ONE), "1")
        holder.xadd(KEYS.ingress_of(OUT), {"x": "y"})
        with pytest.raises(ForgetRefused, match="waits to be decided"):
            await forget(operator, KEYS, KEYRING, OUT)
        client.xtrim(KEYS.ingress_of(OUT), 0)
        await leave(operator, KEYS, OUT, ONE, in_flight=60, only_if_dead=True)
        holder.set(KEYS.heartbeat(OUT, ONE), "1")
        await forget(operator, KEYS, KEYRING, OUT)
        assert client.acl_users() == ["default"]
        assert about(client, "out") == set()


async def test_a_delivery_that_is_committed_at_that_very_moment_makes_no_stream(scene, operator):
    await gone(scene, "old")
    async with scene() as (system, client):
        await waiting(system, client)
        client.xtrim(KEYS.stream(OLD), 0)
        # As if the news were on its way: the mirror knows it, Redis does not.
        client.delete(*client.keys("agent*:old*"))
        client.srem(KEYS.agents, OLD)
        with pytest.raises(MessageRefused) as refusal:
            await system.agent("a").send("old", "tell", 1, confirm=True)
        assert refusal.value.decision is Decision.TARGET_UNKNOWN
        assert audit(client)[-1]["stage"] == "commit"
        assert about(client, "old") == set()
        with pytest.raises(MessageRefused):
            await system.agent("a").send("old", "tell", 2, confirm=True)
        assert audit(client)[-1]["stage"] == "authorize"


async def test_under_mail_and_enrolments_nothing_is_left_without_an_owner(scene, operator):
    """Old comes, is written to, leaves and is forgotten, again and again, while all of it goes on."""
    rounds = 12
    async with scene() as (system, client):
        over, sent = anyio.Event(), 0

        async def write():
            nonlocal sent
            while not over.is_set():
                await system.agent("a").send("old", "tell", sent)
                sent += 1

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            for number in range(rounds):
                hand = await enrolled(system, client, "old", f"hand{number}")
                await until(lambda: client.xlen(KEYS.stream(OLD)) > 0)
                await leave(operator, KEYS, hand.agent, hand.instance, in_flight=0)
                while refused := await refusal(operator, with_mail=20):
                    # What was decided before it took no more came in between the burial and the end.
                    assert "deliveries wait" in refused
            over.set()
        await decided(client)
        assert about(client, "old") == set()
        found = audit(client)
        decisions = [record["decision"] for record in found]
        allowed, buried = decisions.count("ALLOWED"), decisions.count("DEAD_LETTERED")
        assert allowed == buried >= rounds
        assert len(found) == sent + buried
        await until(lambda: sum(system.decisions.values()) == len(audit(client)))
        assert len(letters(client)) == len(found) - allowed
        assert EventKind.ALARM not in [kind for kind, _ in told(client)]


async def test_of_two_operators_one_forgets(scene, operator):
    await gone(scene, "old")
    async with scene() as (system, client):
        await waiting(system, client, count=20)
        said = []

        async def order(actor):
            said.append(await refusal(operator, with_mail=20, actor=actor))

        async with anyio.create_task_group() as tasks:
            for actor in ("one", "two"):
                tasks.start_soon(order, actor)
        assert sorted(said) == ["", "no agent of that id is registered"]
        await decided(client)
        assert len(letters(client)) == 20
        decisions = [record["decision"] for record in audit(client)]
        assert (decisions.count("ALLOWED"), decisions.count("DEAD_LETTERED")) == (20, 20)
        assert about(client, "old") == set()


async def test_who_enrols_at_that_very_moment_is_wholly_there_or_wholly_gone(scene, operator):
    async with scene() as (system, client):
        record, seen = AgentRecord(OLD, ("x",)), set()
        await enrolled(system, client, "old")
        for number in range(60):
            instance = InstanceId(f"i{number}")
            said: list[str] = []

            async def join(instance=instance, later=number % 10):
                for _ in range(later):
                    await operator.call("PING")
                await enrol(operator, KEYS, KEYRING, record, instance, now=SYSTEM.wall(), lives=LIVES)

            async def end(said=said):
                said.append(await refusal(operator))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(join)
                tasks.start_soon(end)
            seen.add(bool(said[0]))
            # Whichever was first, it is there now, with all that belongs to it.
            assert client.sismember(KEYS.agents, "old")
            assert client.sismember(KEYS.capability("x"), "old")
            there = (KEYS.agent(OLD), KEYS.stream(OLD), KEYS.instance_stream(OLD, instance))
            assert client.exists(*there, KEYS.token_hash(OLD, instance), KEYS.heartbeat(OLD, instance)) == 5
            for each in client.smembers(KEYS.instances(OLD)):
                await leave(operator, KEYS, OLD, InstanceId(each.decode()), in_flight=0)
        assert seen == {True, False}


async def test_mail_that_no_gateway_buries_is_kept_for_who_comes_back(scene, operator):
    short = {"delivery": {"lease": 1}}
    await gone(scene, "old")
    async with scene(gateway=short) as (system, client):
        await waiting(system, client)
    with asking(url_of(operator)) as client:
        with pytest.raises(ForgetRefused, match="does a gateway run"):
            await forget(operator, KEYS, KEYRING, OLD, with_mail=0.3)
        ((held,),) = [client.xpending_range(KEYS.stream(OLD), AGENT_GROUP, "-", "+", 10)]
        assert (held["consumer"], held["times_delivered"]) == (HOLDER.encode(), 0)
        # The order is void for a delivery that a receiver holds.
        client.xclaim(KEYS.stream(OLD), AGENT_GROUP, "hand", 0, [held["message_id"]], idle=100_000)
        async with scene("old", gateway=short) as (system, _):
            assert await system.agent("old").got.reaches(1) == [0]
            await decided(client)
            assert letters(client) == []


def url_of(operator):
    endpoint = operator.endpoint
    return f"redis://:operator@{endpoint.host}:{endpoint.port}/0"


async def test_an_order_that_nobody_with_the_secret_wrote_is_not_obeyed(scene, operator):
    await gone(scene, "old")
    async with scene() as (system, client):
        await waiting(system, client)
        client.xreadgroup(AGENT_GROUP, HOLDER, {KEYS.stream(OLD): ">"})
        ((entry, _),) = client.xrange(KEYS.stream(OLD))
        other = Keyring(b"another deployment's secret, not ours")
        order = Unwanted(OLD, entry.decode(), "nobody")
        client.xadd(KEYS.ingress, {"unwanted": write_unwanted(other.record, KEYS, order)})
        await decided(client)
        assert client.xlen(KEYS.stream(OLD)) == 1
        assert [record["decision"] for record in audit(client)] == ["ALLOWED", "MALFORMED"]
        await until(lambda: (EventKind.ALARM, f"{KEYS.ingress} unwanted") in told(client))


async def test_a_handler_that_outlives_the_registration_makes_no_stream(scene, operator):
    """A revoked agent still looks for mail while it handles its last message."""
    async with scene(old=Slow) as (system, client):
        old = system.agent("old")
        await system.agent("a").send("old", "work")
        await old.begun.reaches(1)
        await revoke(operator, KEYS, KEYRING, OLD, None)
        await forget(operator, KEYS, KEYRING, OLD, with_mail=20)

        def refused():
            return client.info("commandstats")["cmdstat_xreadgroup"].get("failed_calls", 0)

        for _ in range(3):
            before = refused()
            client.publish(KEYS.ring(OLD), "")
            await until(lambda before=before: refused() > before)
        old.go.set()
        await old.ended.reaches(1)
    with asking(url_of(operator)) as client:
        assert about(client, "old") == {KEYS.tombstones} & about(client, "old")
        assert [letter["decision"] for letter in letters(client)] == ["DEAD_LETTERED"]
