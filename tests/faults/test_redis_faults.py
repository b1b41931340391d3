"""F4, F5, F7, F8: connections cut, servers killed and silent, keys deleted under load."""

from typing import Any

import anyio
import pytest

from mas import Agent, MessageRefused, RequestTimeout
from mas.supervision.events import Failed
from mas.testing.server import redis_server
from tests.faults.checker import check
from tests.faults.noting import Noting
from tests.faults.proxy import proxy
from tests.redis.waiting import until
from tests.world import Tally, asking, audit, entries, own_files, running


class Sender(Agent[dict[str, Any]]):
    async def say(self, count, *, each=0.0, to="b"):
        for n in range(count):
            await self.send(to, "work", n)
            if each:
                await anyio.sleep(each)


class Receiver(Noting):
    @Agent.on("ask")
    async def ask(self, message, payload):
        await message.reply("answer", message.data)


@pytest.fixture
def beating_fast(monkeypatch):
    """Let a lost enrolment be noticed after half a second, not after five."""
    monkeypatch.setattr("mas.registry.heartbeat.INTERVAL", 0.5)


async def answers_again(agent: Agent[Any], *, within: float = 15) -> None:
    """Ask until there is an answer."""
    with anyio.fail_after(within):
        while True:
            try:
                await agent.request("b", "ask", 1, timeout=1)
            except (RequestTimeout, MessageRefused):
                continue
            return


async def test_a_sender_cut_off_before_the_reply_sends_again_and_one_copy_arrives(anyio_backend):
    count = 400
    with redis_server(port=0) as server, server.client() as client, own_files(server.url):
        assert server.port is not None
        async with (
            proxy(server.port) as between,
            running(server.url, a=Sender, b=Receiver, parts={"gateway", "service"}),
            running(between.url, a=Sender, b=Receiver, parts={"agents"}) as system,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(system.agent("a").say, count)
            b = system.agent("b")
            for part in range(1, 6):
                await b.got.reaches(count * part // 8)
                await between.cut()
            await b.got.reaches(count)
            await until(lambda: client.xlen("agent.stream:b") == 0, within=30)
            assert between.cuts == 5
            report = check(client, range(count), b.journal, "b")
            copies = [r for r in audit(client) if r["decision"] == "REPLAYED"]
        assert report == (count, count, 0, count, 0, 0, 0, 0, 0, 0, 0, 0), report
        # So sends were really repeated, and recognized.
        assert copies


async def test_redis_killed_and_started_again_loses_nothing_and_everybody_resumes():
    count = 600
    always = ("--appendfsync", "always")
    with redis_server(appendonly="yes", extra=always) as server:
        async with running(server.url, a=Sender, b=Receiver) as system, anyio.create_task_group() as tasks:
            a, b = system.agent("a"), system.agent("b")
            tasks.start_soon(a.say, count)
            for part in (1, 2):
                await b.got.reaches(count * part // 4)
                await anyio.to_thread.run_sync(server.kill)
                await anyio.to_thread.run_sync(server.start)
            await b.got.reaches(count)
            with server.client() as client:
                await until(lambda: client.xlen("agent.stream:b") == 0, within=30)
                report = check(client, range(count), b.journal, "b")
            await answers_again(a)
        assert report._replace(forged=0) == (count, count, 0, count, 0, 0, 0, 0, 0, 0, 0, 0), report


async def test_a_server_that_falls_silent_is_waited_out():
    quick = {"redis": {"response_timeout": 1, "connect_timeout": 1}}
    with redis_server() as server:
        async with running(server.url, gateway=quick, a=Sender, b=Receiver) as system:
            async with anyio.create_task_group() as tasks:
                server.suspend()
                tasks.start_soon(system.agent("a").say, 20)
                await anyio.sleep(1.5)
                assert system.agent("b").got.seen == []
                server.resume()
                await system.agent("b").got.reaches(20)
            await answers_again(system.agent("a"))
            with server.client() as client:
                await until(lambda: client.xlen("agent.stream:b") == 0)
                report = check(client, range(20), system.agent("b").journal, "b")
        # The questions that showed that it answers again were accepted besides.
        assert report.accepted > 20
        assert report._replace(accepted=20) == (20, 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0), report


async def test_after_a_flush_everybody_is_enrolled_again_and_the_policy_put_back(redis_url, beating_fast):
    with asking(redis_url) as client:
        async with running(redis_url, a=Sender, b=Receiver) as system:
            a, b = system.agent("a"), system.agent("b")
            await answers_again(a)
            events = []
            for _ in range(2):
                client.flushall()
                await answers_again(a)
                events += entries(client, "audit:security_events")
                before = len(b.got.seen)
                for n in range(20):
                    await a.send("b", "work", n, confirm=True)
                await b.got.reaches(before + 20)
            (group,) = client.xinfo_groups("agent.stream:b")
            assert group["name"] == b"agents"
            # Alarms of the same kind are not repeated for each time.
            assert any("the policy was gone; it is put back" in each["record"] for each in events)


async def test_identity_that_is_gone_means_deny_until_it_is_enrolled_again(redis_url, beating_fast):
    with asking(redis_url) as client:
        async with running(redis_url, a=Sender, b=Receiver) as system:
            a, b, seat = system.agent("a"), system.agent("b"), system.seats[0]
            client.delete(f"agent:a:token_hash:{seat.instance}")
            await a.send("b", "work", 1)
            await until(lambda: len(audit(client)) == 1)
            assert audit(client)[0]["decision"] == "AUTH_FAILED"
            assert not b.got.seen
            await answers_again(a)


async def test_without_a_policy_everything_is_denied_until_it_is_put_back(redis_url):
    with asking(redis_url) as client:
        async with running(redis_url, a=Sender, b=Receiver) as system:
            await answers_again(system.agent("a"))
            client.delete("mas.policy")
            with pytest.raises(MessageRefused, match="AUTHZ_DENIED"):
                await system.agent("a").request("b", "ask", timeout=10)
            await answers_again(system.agent("a"))


@pytest.mark.parametrize(
    ("stream", "group"), [("mas.gateway.ingress", "gateway"), ("agent.stream:b", "agents")]
)
async def test_a_group_destroyed_under_load_begins_again_at_0_and_nothing_is_lost(
    redis_url, stream, group, monkeypatch
):
    monkeypatch.setattr("mas.agent.inbox.SWEEP", 1.0)
    count = 400
    with asking(redis_url) as client:
        async with running(redis_url, a=Sender, b=Receiver) as system, anyio.create_task_group() as tasks:
            a, b = system.agent("a"), system.agent("b")
            tasks.start_soon(a.say, count)
            for part in (1, 2, 3):
                await b.got.reaches(count * part // 5)
                client.xgroup_destroy(stream, group)
            await until(lambda: len({message.data for message in b.got.seen}) == count, within=30)
            await until(lambda: client.xlen("agent.stream:b") == 0, within=20)
            await answers_again(a)
            await until(lambda: client.xlen("mas.gateway.ingress") == 0)
            report = check(client, range(count), b.journal, "b")
        # The questions that showed that it answers again were accepted besides.
        assert report.accepted > count
        assert report._replace(accepted=count) == (count, count, 0, count, 0, 0, 0, 0, 0, 0, 0, 0), report


async def test_scripts_flushed_under_load_are_loaded_again(redis_url, monkeypatch):
    monkeypatch.setattr("mas.agent.inbox.SWEEP", 1.0)
    count = 300
    with asking(redis_url) as client:
        async with running(redis_url, a=Sender, b=Receiver) as system, anyio.create_task_group() as tasks:
            b = system.agent("b")
            tasks.start_soon(system.agent("a").say, count)
            for part in (1, 2, 3):
                await b.got.reaches(count * part // 5)
                client.script_flush()
            await b.got.reaches(count)
            await until(lambda: client.xlen("agent.stream:b") == 0, within=20)
            report = check(client, range(count), b.journal, "b")
        assert report._replace(forged=0) == (count, count, 0, count, 0, 0, 0, 0, 0, 0, 0, 0), report


async def test_connections_closed_by_an_operator_are_opened_again(redis_url):
    count = 300
    with asking(redis_url) as client:
        async with running(redis_url, a=Sender, b=Receiver) as system, anyio.create_task_group() as tasks:
            b = system.agent("b")
            tasks.start_soon(system.agent("a").say, count)
            for part in (1, 2, 3):
                await b.got.reaches(count * part // 5)
                client.client_kill_filter(_type="normal", skipme=True)
                client.client_kill_filter(_type="pubsub", skipme=True)
            await b.got.reaches(count)
            await until(lambda: client.xlen("agent.stream:b") == 0, within=20)
            report = check(client, range(count), b.journal, "b")
        assert report._replace(forged=0) == (count, count, 0, count, 0, 0, 0, 0, 0, 0, 0, 0), report


async def test_a_group_destroyed_while_a_message_waits_for_another_attempt_costs_no_crash(redis_url):
    tries, failures = Tally(), []

    class Fails(Receiver):
        @Agent.on("work")
        async def work(self, message, payload):
            tries.note(message.data)
            if len(tries.seen) < 3:
                raise ValueError("of no interest to others")
            self.got.note(message)

    def hear(event):
        if isinstance(event, Failed):
            failures.append(event)

    patient = {"delivery": {"backoff_first": 0.5, "backoff_cap": 0.5, "max_attempts": 9}}
    with asking(redis_url) as client:
        async with running(redis_url, gateway=patient, on_event=hear, a=Sender, b=Fails) as system:
            await system.agent("a").send("b", "work", 7, confirm=True)
            for attempt in (1, 2):
                await tries.reaches(attempt)
                client.xgroup_destroy("agent.stream:b", "agents")
            await system.agent("b").got.reaches(1)
            await until(lambda: client.xlen("agent.stream:b") == 0)
            report = check(client, [7], system.agent("b").journal, "b")
    assert failures == []
    assert report == (1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0), report
