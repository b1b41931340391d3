"""F9: the master dies, and a replica that Sentinels chose goes on with what had reached it."""

import json

import anyio
import pytest

import mas
from mas import MessageRefused, RedisUnavailable, RequestTimeout, open_system
from mas.clock import SYSTEM
from mas.directory import AgentRecord
from mas.ids import AgentId, InstanceId
from mas.redis import RedisRefused, open_redis
from mas.registry import SCRIPTS, Lives, enrol_outsider, revoke, shut_out
from mas.settings import RedisUrl
from tests.agent.crew import Worker
from tests.faults.checker import check
from tests.faults.sentinels import watched
from tests.faults.test_redis_faults import Receiver, Sender
from tests.redis.waiting import until
from tests.world import ENVIRON, KEYRING, KEYS, deployment, entries

OUT, ONE = AgentId("out"), InstanceId("one")
TALK = [{"type": "allow_network", "agents": ["a", "b", "w", "out", "gone"]}]


@pytest.fixture
async def place(tmp_path):
    async with watched(tmp_path) as found:
        yield found


def system(place, tmp_path, **more):
    """Open a system of a sender and a receiver that finds its Redis by way of the Sentinels."""
    quick = {"redis": {"response_timeout": 1, "connect_timeout": 2}}
    config = deployment(place.master.url, permissions=TALK, gateway=quick, a=Sender, b=Receiver, **more)
    where = {"service_redis_url": place.url, "data_dir": str(tmp_path / "data")}
    return open_system(config | where, environ=ENVIRON)


async def enrolled(place, agent):
    async with open_redis(place.url, scripts=SCRIPTS) as operator:
        return await enrol_outsider(
            operator,
            KEYS,
            KEYRING,
            AgentRecord(agent),
            ONE,
            RedisUrl(place.url),
            now=SYSTEM.wall(),
            lives=Lives(3600, 60),
        )


async def answered(agent, target="b", kind="ask", *, within=40):
    """Ask until there is an answer."""
    with anyio.fail_after(within):
        while True:
            try:
                return (await agent.request(target, kind, 1, timeout=2)).data
            except (RequestTimeout, MessageRefused, RedisUnavailable):
                await anyio.sleep(0.1)


def alarms(client):
    """Return what alarms say, in the trail."""
    return [json.loads(each["record"]).get("detail", "") for each in entries(client, KEYS.audit_security)]


async def test_agents_elsewhere_are_let_in_by_a_replica_that_never_knew_them(place, tmp_path):
    def users():
        with place.replica.client() as client:
            return set(client.acl_users())

    async with system(place, tmp_path):
        credentials, gone = await enrolled(place, OUT), await enrolled(place, AgentId("gone"))
        async with open_redis(place.url, scripts=SCRIPTS) as operator:
            done = await revoke(operator, KEYS, KEYRING, AgentId("gone"), None)
            await shut_out(operator, KEYS, AgentId("gone"), done.instances)
        async with mas.connect(credentials, Receiver) as out:
            assert await answered(out) == 1
            # Users are no data: a replica has none but its own.
            assert users() == {"default"}
            place.master.kill()
            assert await answered(out) == 1
        assert users() == {"default", KEYS.redis_user(OUT, ONE)}
        with pytest.raises(RedisRefused):
            async with mas.connect(gone, Receiver):
                pass


async def test_so_is_a_process_of_an_agent(place, tmp_path):
    async with system(place, tmp_path, w={"class_path": Worker, "process": True}) as opened:
        (user,) = [KEYS.redis_user(AgentId("w"), seat.instance) for seat in opened.seats if seat.name == "w"]
        before = await answered(opened.agent("a"), "w", "echo")
        place.master.kill()
        assert await answered(opened.agent("a"), "w", "echo") == before
        with place.replica.client() as client:
            assert set(client.acl_users()) == {"default", user}


async def test_messages_go_on_none_is_delivered_twice_and_what_was_lost_is_told(place, tmp_path):
    seals = tmp_path / "data" / "audit-seals.jsonl"
    count, behind = 300, 20

    async def say(agent, numbers, said):
        for n in numbers:
            while True:
                try:
                    await agent.send("b", "work", n)
                except RedisUnavailable:
                    continue
                said.append(n)
                break
            await anyio.sleep(0.01)

    async with system(place, tmp_path) as opened:
        a, b = opened.agent("a"), opened.agent("b")
        said: list[int] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(say, a, range(count), said)
            await b.got.reaches(count // 4)
            await until(seals.exists)
            # From here on the replica falls behind: what the master says is done, it alone knows.
            place.cut_off()
            for n in range(behind):
                await a.send("b", "work", count + n, confirm=True)
            known = len(b.got.seen)
            with place.master.client() as client:
                before = client.xlen(KEYS.audit_seals)
                await until(lambda: client.xlen(KEYS.audit_seals) > before)
                # Sealed since the replica hears nothing, and told outside, where several come at once.
                await until(lambda: seals.read_bytes().count(b"\n") > before)
            await anyio.to_thread.run_sync(place.master.kill)
            await b.got.reaches(known + 1, within=40)
        await answered(a)
        with place.replica.client() as client:
            # Nobody hides what is lost: the seals outside Redis are ahead of those in it.
            await until(lambda: any("what redis has ends at" in each for each in alarms(client)))
            await until(lambda: client.xlen(KEYS.ingress) + client.xlen(KEYS.stream(AgentId("b"))) == 0)
            report = check(client, range(count + behind), b.journal, "b")
    assert len(said) == count
    # Delivered twice would be two records of one message in the trail that is left.
    assert (report.delivered_dup, report.pending, report.denied, report.dlq) == (0, 0, 0, 0), report
    # The replica had not heard of these; they were handled, and the trail it has is without them.
    assert report.unaudited >= behind, report
