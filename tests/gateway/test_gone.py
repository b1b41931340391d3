"""Who asked or sent and is gone since: what would have come back to it is refused, or left out, and kept
nowhere. Who is only down for a moment loses nothing."""

import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import pytest

from mas import Agent, Decision, RequestTimeout
from mas.audit import Events
from mas.control import DISCOVER_TYPE
from mas.ids import AgentId
from mas.message import GATEWAY
from mas.registry import HealthMonitor, leave, revoke
from tests.agent.crew import Asking
from tests.hand import Hand, decided, enrolled
from tests.redis.waiting import until
from tests.world import KEYRING, KEYS, Tally, asking, audit, letters, running

WILD = [{"type": "allow_wildcard", "agent": name} for name in ("hand", "a", "asker")]
AGENTS, GATEWAYS = frozenset({"service", "agents"}), frozenset({"gateway"})
IN_FLIGHT = 3600.0


class Answering(Agent[dict[str, Any]]):
    """Answers once it is let go, fails over what it is told to, and hears what was refused."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.asked, self.refused, self.go = Tally(), Tally(), anyio.Event()

    @Agent.on("echo")
    async def answer(self, message, payload):
        self.asked.note(message.data)
        await self.go.wait()
        await message.reply("answer", message.data)

    @Agent.on("bad")
    async def fail(self, message, payload):
        self.asked.note(message.data)
        await self.go.wait()
        raise OSError("broken")

    async def on_message(self, message):
        self.asked.note(message.data)

    def on_refused(self, refusal):
        self.refused.note(refusal.decision)


async def signs_off(system: Any, hand: Hand) -> None:
    await leave(system.redis, KEYS, hand.agent, hand.instance, in_flight=IN_FLIGHT)


async def dies(system: Any, hand: Hand) -> None:
    hand.client.delete(KEYS.heartbeat(hand.agent, hand.instance))
    await look(system)


async def is_revoked(system: Any, hand: Hand) -> None:
    await revoke(system.redis, KEYS, KEYRING, hand.agent, hand.instance)
    await look(system)


async def look(system: Any) -> None:
    """Look after instances as the registry does."""
    monitor = HealthMonitor(
        system.redis, KEYS, Events(system.redis, KEYS, KEYRING, "test"), in_flight=IN_FLIGHT
    )
    await monitor.look()


own = KEYS.instance_stream
Ending = Callable[[Any, Hand], Awaitable[None]]


@pytest.mark.parametrize("ends", [signs_off, dies, is_revoked])
async def test_a_reply_to_an_instance_that_is_gone_is_refused_and_its_sender_told(redis_url, ends: Ending):
    with asking(redis_url) as client:
        async with running(redis_url, permissions=WILD, b=Answering) as system:
            b, hand = system.agent("b"), await enrolled(system, client, "hand")
            hand.send("b", "echo", 7, correlation_id="1" * 32)
            await b.asked.reaches(1)
            await ends(system, hand)
            assert not client.exists(own(hand.agent, hand.instance))
            b.go.set()
            assert await b.refused.reaches(1) == [Decision.TARGET_UNKNOWN]
            await decided(client)
            assert not client.exists(own(hand.agent, hand.instance))
            asked, replied = audit(client)
            assert (asked["decision"], asked["sender"]) == ("ALLOWED", "hand")
            assert (replied["decision"], replied["sender"], replied["stage"]) == (
                "TARGET_UNKNOWN",
                "b",
                "commit",
            )
            assert "gone" in replied["reason"]
            (letter,) = letters(client)
            assert (letter["decision"], letter["target"]) == ("TARGET_UNKNOWN", "hand")
            assert letter["envelope"]["data"] == 7
            await until(lambda: system.decisions[Decision.TARGET_UNKNOWN] == 1)
            assert sum(system.decisions.values()) == len(audit(client))


async def test_what_a_gateway_says_to_an_instance_that_is_gone_makes_no_stream(redis_url):
    how = {"permissions": WILD[:1], "gateway": {"delivery": {"max_attempts": 1}}}
    with asking(redis_url) as client:
        async with running(redis_url, parts=AGENTS, **how, b=Answering) as system:
            b, hand = system.agent("b"), await enrolled(system, client, "hand")
            hand.send("b", "tell", 1, confirm=True)  # it is to be confirmed
            hand.send("nobody", "tell", 2, confirm=True)  # refused
            hand.send(GATEWAY, DISCOVER_TYPE, {"capabilities": []}, correlation_id="2" * 32)  # answered
            hand.send("b", "bad", 3, correlation_id="3" * 32)  # allowed, and given up by its receiver
            await signs_off(system, hand)
            b.go.set()
            async with running(redis_url, parts=GATEWAYS, **how, b=Answering):
                await until(lambda: len(audit(client)) == 5)
                await decided(client)
            decisions = sorted(record["decision"] for record in audit(client))
            assert decisions == ["ALLOWED", "ALLOWED", "ALLOWED", "DEAD_LETTERED", "TARGET_UNKNOWN"]
            assert sorted(letter["decision"] for letter in letters(client)) == [
                "DEAD_LETTERED",
                "TARGET_UNKNOWN",
            ]
            assert not client.exists(own(hand.agent, hand.instance))


async def test_who_is_down_for_a_moment_is_answered_and_told_when_it_is_back(redis_url):
    asker = {"class_path": Asking, "process": True}
    agents = {"asker": asker, "worker": Answering, "a": Answering}
    with asking(redis_url) as client:
        async with running(redis_url, permissions=WILD, parts=AGENTS, **agents) as system:
            seats = {seat.name: seat for seat in system.seats}
            replies = own(AgentId("asker"), seats["asker"].instance)
            notices = own(AgentId("a"), seats["a"].instance)
            worker = system.agent("worker")
            await system.agent("a").send("asker", "relay", 1)
            async with running(redis_url, permissions=WILD, parts=GATEWAYS, **agents):
                await worker.asked.reaches(1)
                os.kill(seats["asker"].pid, signal.SIGKILL)
                await system.root.stop("agents/asker")
                worker.go.set()
                await until(lambda: client.xlen(replies) == 1)
                await decided(client)
            await system.agent("a").send("nobody", "tell", 2)
            await system.root.stop("agents/a")
            async with running(redis_url, permissions=WILD, parts=GATEWAYS, **agents):
                await until(lambda: client.xlen(notices) == 1)
            for name in ("asker", "a"):
                await system.root.start(f"agents/{name}")
            assert await system.agent("a").refused.reaches(1) == [Decision.TARGET_UNKNOWN]
            await until(lambda: client.xlen(replies) == client.xlen(notices) == 0)
            assert worker.refused.seen == []
            assert [record["decision"] for record in audit(client)] == ["ALLOWED"] * 3 + ["TARGET_UNKNOWN"]


@pytest.mark.parametrize("other", [None, "no stream"])
async def test_the_stream_of_one_that_lives_may_be_lost_and_comes_again(redis_url, other):
    with asking(redis_url) as client:
        async with running(redis_url, permissions=WILD, a=Answering, worker=Answering) as system:
            a, worker = system.agent("a"), system.agent("worker")
            worker.go.set()
            stream = own(AgentId("a"), system.seats[0].instance)
            client.delete(stream)
            if other is None:
                assert (await a.request("worker", "echo", 1, timeout=10)).data == 1
                return
            client.set(stream, other)
            with pytest.raises(RequestTimeout):
                await a.request("worker", "echo", 1, timeout=0.5)
            # What could not be written was not recorded as delivered either.
            assert await worker.refused.reaches(1) == [Decision.TARGET_UNKNOWN]
            assert [record["decision"] for record in audit(client)] == ["ALLOWED", "TARGET_UNKNOWN"]


async def test_a_lost_stream_that_a_gateway_writes_to_has_its_group(redis_url):
    with asking(redis_url) as client:
        async with running(redis_url, permissions=WILD, parts=GATEWAYS, b=Answering) as system:
            hand, b = [await enrolled(system, client, name) for name in ("hand", "b")]
            streams = [own(hand.agent, hand.instance), KEYS.stream(b.agent)]
            client.delete(*streams)
            hand.send("nobody", "tell", 1)
            for number in (2, 3):
                hand.send("b", "tell", number)
            await until(lambda: len(audit(client)) == 3)
            for stream, count in zip(streams, (1, 2), strict=True):
                assert client.xlen(stream) == count
                ((_, read),) = client.xreadgroup("agents", "me", {stream: ">"})
                assert len(read) == count


def passed(count, before):
    return count() > before


async def test_one_that_is_revoked_while_it_runs_leaves_no_stream(redis_url):
    with asking(redis_url) as client:
        async with running(redis_url, permissions=WILD, a=Answering, worker=Answering) as system:
            worker = system.agent("worker")
            stream = own(AgentId("worker"), system.seats[1].instance)
            await system.agent("a").send("worker", "echo", 1)
            await worker.asked.reaches(1)
            await revoke(system.redis, KEYS, KEYRING, AgentId("worker"), system.seats[1].instance)
            await look(system)
            assert not client.exists(stream)

            def refused():
                return client.info("commandstats")["cmdstat_xreadgroup"]["failed_calls"]

            # It still looks, for its handler has not returned.
            for _ in range(3):
                before = refused()
                await system.agent("a").send("worker", "tell", 2)
                await until(partial(passed, refused, before))
            worker.go.set()
        assert not client.exists(stream)
