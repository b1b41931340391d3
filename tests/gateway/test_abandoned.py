"""A delivery whose receivers all died is buried by the gateways; one that somebody lives for is not."""

from collections import Counter
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from mas import Agent, Decision, MessageRefused
from mas.clock import SYSTEM
from mas.gateway.abandoned import REASON, Abandoned, Sweep, write_abandoned
from mas.ids import AgentId
from mas.keys import AGENT_GROUP
from mas.letters import LetterDesk, Selection
from mas.redis import open_redis, open_subscriber
from mas.settings import DeliverySettings
from mas.supervision.events import GaveUp
from mas.trust import Keyring
from tests.agent.crew import Worker
from tests.hand import decided, enrolled
from tests.redis.waiting import until
from tests.world import KEYRING, KEYS, Tally, asking, audit, data_dir, entries, letters, running

OTHER = Keyring(b"another deployment's secret, not ours")
LONG_AGO = 1_000_000
"""Milliseconds since whoever held a delivery renewed it."""
BOTH = [{"type": "allow_network", "agents": ["a", "gone"]}]
SHORT = {"delivery": {"lease": 1, "max_attempts": 2}}
LONG = {"delivery": {"lease": 300, "max_attempts": 2}}
"""No look happens by itself."""


class Sender(Agent[dict[str, Any]]):
    """Says what the test tells it to."""


class Slow(Agent[dict[str, Any]]):
    """Handles until it is let go."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.begun, self.ended, self.go = Tally(), Tally(), anyio.Event()

    @Agent.on("work")
    async def work(self, message, payload):
        self.begun.note(message.attempt)
        await self.go.wait()
        self.ended.note(message.attempt)


class Gone:
    """An agent that is registered and runs nowhere, and what it left behind."""

    def __init__(self, client, sender, agent="gone"):
        self.client, self.agent = client, agent
        self._sender = sender
        self.stream = KEYS.stream(AgentId(agent))

    async def leaves(self, *starts, idle=LONG_AGO, consumer="dead"):
        """Have messages delivered to it and started so often; return their entries."""
        for number, _ in enumerate(starts):
            await self._sender.send(self.agent, "work", number, confirm=True)
        ((_, read),) = self.client.xreadgroup(AGENT_GROUP, consumer, {self.stream: ">"}, count=len(starts))
        for (entry, _), count in zip(read, starts, strict=True):
            self.touch(entry, count, idle=idle, consumer=consumer)
        return [entry for entry, _ in read]

    def touch(self, entry, starts, *, idle=0, consumer="dead"):
        how = {"idle": idle, "retrycount": starts, "justid": True}
        self.client.xclaim(self.stream, AGENT_GROUP, consumer, 0, [entry], **how)

    def pending(self):
        return pending(self.client, self.agent)

    def ordered(self, entry, keyring=KEYRING):
        """Return the order to bury an entry."""
        return write_abandoned(keyring.record, KEYS, Abandoned(AgentId(self.agent), entry.decode(), 0))

    def order(self, *orders):
        """Give orders in one go."""
        with self.client.pipeline() as pipe:
            for order in orders:
                pipe.xadd(KEYS.ingress, {"abandoned": order})
            pipe.execute()


def pending(client, agent):
    """Return how often each pending delivery was started, by its entry."""
    held = client.xpending_range(KEYS.stream(AgentId(agent)), AGENT_GROUP, "-", "+", 10_000)
    return {each["message_id"]: each["times_delivered"] for each in held}


def alarms(client):
    return str(entries(client, KEYS.audit_security))


@asynccontextmanager
async def scene(redis_url, gateway=SHORT, **agents):
    with asking(redis_url) as client:
        permissions = [{"type": "allow_wildcard", "agent": "a"}]
        async with running(redis_url, gateway=gateway, permissions=permissions, a=Sender, **agents) as system:
            await enrolled(system, client, "gone")
            yield system, client, Gone(client, system.agent("a"))


async def test_a_message_that_kills_every_process_is_buried_and_its_neighbours_wait(redis_url, tmp_path):
    journal = tmp_path / "journal"
    fate, gave_up = journal.with_suffix(".fate"), anyio.Event()

    def hear(event):
        if isinstance(event, GaveUp):
            gave_up.set()

    def noted(line):
        return journal.exists() and Counter(journal.read_text().splitlines())[line]

    worker = {
        "class_path": Worker,
        "process": True,
        "init_kwargs": {"journal": str(journal)},
        "concurrency": 4,
        "max_restarts": 1,
    }
    async with running(redis_url, gateway=SHORT, a=Sender, worker=worker, on_event=hear) as system:
        a, refused = system.agent("a"), list[MessageRefused]()

        async def ask():
            with pytest.raises(MessageRefused) as raised:
                await a.request("worker", "doom", timeout=120)
            refused.append(raised.value)

        with asking(redis_url) as client, anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                await until(lambda: noted("doom 1"), within=30)
                for _ in range(2):
                    await a.send("worker", "neighbour")
                await until(lambda: noted("neighbour 1") == 2, within=30)
                fate.write_text("die")
                await gave_up.wait()
            assert [(each.decision, each.reason) for each in refused] == [(Decision.DEAD_LETTERED, REASON)]
            assert (noted("doom 1"), noted("doom 2")) == (1, 1)
            (letter,) = letters(client)
            assert (letter["decision"], letter["reason"], letter["attempts"]) == ("DEAD_LETTERED", REASON, 2)
            assert (letter["sender"], letter["target"], letter["stage"]) == ("a", "worker", "delivery")
            (record,) = [each for each in audit(client) if each["decision"] == "DEAD_LETTERED"]
            assert (record["sender"], record["target"], record["reason"]) == ("a", "worker", REASON)
            assert client.hget("circuit:worker", "failures") == b"1"
            assert list(pending(client, "worker").values()) == [1, 1]
            assert noted("neighbour 2") == 0

            await system.root.start("agents/worker")
            await until(lambda: noted("neighbour 2") == 2, within=30)
            await until(lambda: pending(client, "worker") == {})
            fate.write_text("live")
            assert (await redrive(redis_url)).decision is Decision.ALLOWED
            await until(lambda: noted("doom 1") == 2, within=30)
            await until(lambda: client.xlen("agent.stream:worker") == 0)
            assert letters(client) == []


async def redrive(redis_url):
    async def audited(*_: str) -> None:
        pass

    async with open_redis(redis_url) as redis, open_subscriber(redis_url) as subscriber:
        archive = data_dir(redis_url) / "dead-letters"
        desk = LetterDesk(
            redis, KEYS, KEYRING, actor="me", audit=audited, alarm=lambda *_: None, archive=archive
        )
        (letter,) = [each async for each in desk.select(Selection())]
        return await desk.redrive(letter.id, subscriber, within=10)


async def test_what_has_starts_left_or_a_receiver_that_lives_is_left_alone(redis_url):
    async with scene(redis_url, b=Slow) as (system, client, gone):
        b = system.agent("b")
        await system.agent("a").send("b", "work")
        await b.begun.reaches(1)
        seat = next(seat for seat in system.seats if seat.name == "b")
        seat.life.pause()
        (held,) = pending(client, "b")
        live = Gone(client, system.agent("a"), "b")
        # Its last attempt, and a lease that lapsed once, as where a whole machine stood still.
        live.touch(held, 2, idle=LONG_AGO, consumer=seat.instance)
        one_left, _ = await gone.leaves(1, 2)
        # Each of these waits for some looks more, of which the other two are older.
        for _ in range(3):
            await until(lambda: list(gone.pending()) == [one_left], within=20)
            await gone.leaves(3)
        assert gone.pending()[one_left] == 1
        assert pending(client, "b") == {held: 2}
        b.go.set()
        await b.ended.reaches(1)
        await until(lambda: pending(client, "b") == {})
        assert {letter["target"] for letter in letters(client)} == {"gone"}
        # As often as it may have been started; the third start was counted and never made.
        assert {letter["attempts"] for letter in letters(client)} == {2}


async def test_what_was_read_and_never_begun_waits_for_a_receiver_that_was_told_to_stop(redis_url):
    once = {"delivery": {"lease": 1, "max_attempts": 1}}
    there = {"gateway": once, "permissions": [], "parts": frozenset({"agents"})}
    there["b"] = {"class_path": Slow, "concurrency": 1}
    async with scene(redis_url, once) as (system, client, gone):
        async with running(redis_url, **there) as receivers:
            a, b = system.agent("a"), receivers.agent("b")
            b.go.set()
            # Quick ones first: then more is read ahead.
            for _ in range(20):
                await a.send("b", "work")
            await b.ended.reaches(20)
            b.go = anyio.Event()
            for _ in range(20):
                await a.send("b", "work")
            await until(lambda: client.xlen("agent.stream:b") == 20 and len(pending(client, "b")) > 1)
            receivers.seats[0].life.pause()
            b.go.set()
        begun = len(b.begun.seen) - 20
        assert set(pending(client, "b").values()) == {0}
        for _ in range(3):
            await gone.leaves(1)
            await until(lambda: gone.pending() == {}, within=20)
        assert {letter["target"] for letter in letters(client)} == {"gone"}
        async with running(redis_url, **there) as receivers:
            again = receivers.agent("b")
            again.go.set()
            assert await again.ended.reaches(20 - begun) == [1] * (20 - begun)


async def test_found_at_one_look_it_is_ordered_at_the_next_unless_it_was_renewed(redis_url):
    async with scene(redis_url, LONG) as (_, client, gone), looking(redis_url) as sweep:
        renewed, lost = await gone.leaves(2, 2)
        await sweep.look()
        await decided(client)
        assert list(gone.pending()) == [renewed, lost]
        gone.touch(renewed, 2)
        await sweep.look()
        await until(lambda: list(gone.pending()) == [renewed])
        await sweep.look()
        await decided(client)
        assert gone.pending() == {renewed: 2}
        assert len(letters(client)) == 1


async def test_two_gateways_bury_each_once(redis_url):
    async with (
        scene(redis_url) as (_, client, gone),
        running(redis_url, gateway=SHORT, permissions=BOTH),
    ):
        await gone.leaves(*[2] * 20)
        await until(lambda: gone.pending() == {}, within=20)
        await decided(client)
        buried = Counter(letter["message_id"] for letter in letters(client))
        assert list(buried.values()) == [1] * 20
        assert [each["decision"] for each in audit(client)].count("DEAD_LETTERED") == 20
        assert client.xlen(gone.stream) == 0


async def test_ordered_by_many_at_once_it_is_buried_and_counted_once(redis_url):
    async with (
        scene(redis_url, LONG) as (system, client, gone),
        running(redis_url, gateway=LONG, permissions=BOTH),
    ):
        (entry,) = await gone.leaves(2)
        gone.order(*[gone.ordered(entry)] * 20)
        await decided(client)
        assert len(letters(client)) == 1
        assert [each["decision"] for each in audit(client)] == ["ALLOWED", "DEAD_LETTERED"]
        assert client.hget("circuit:gone", "failures") == b"1"
        assert system.decisions[Decision.DEAD_LETTERED] <= 1


async def test_enough_of_them_open_the_circuit_of_their_receiver(redis_url):
    gateway = {**SHORT, "circuit_breaker": {"failure_threshold": 3, "timeout": 60}}
    async with scene(redis_url, gateway) as (system, client, gone):
        await gone.leaves(2, 2, 2)
        await until(lambda: len(letters(client)) == 3, within=20)
        with pytest.raises(MessageRefused) as refused:
            await system.agent("a").send("gone", "work", confirm=True)
        assert refused.value.decision is Decision.CIRCUIT_OPEN


async def test_a_genuine_order_does_nothing_where_there_is_nothing_to_bury(redis_url):
    async with scene(redis_url, LONG) as (_, client, gone):
        renewed, startable, settled = await gone.leaves(2, 1, 2)
        gone.touch(renewed, 2)
        client.xack(gone.stream, AGENT_GROUP, settled)
        before = len(audit(client))
        client.set("agent.stream:odd", "no stream")
        gone.order(*map(gone.ordered, (renewed, startable, settled, b"9-9")))
        gone.order(*[Gone(client, None, agent).ordered(renewed) for agent in ("nobody", "odd")])
        await decided(client)
        assert gone.pending() == {renewed: 2, startable: 1}
        assert letters(client) == []
        assert len(audit(client)) == before


async def test_a_forged_order_raises_an_alarm_and_does_nothing(redis_url):
    async with scene(redis_url, LONG) as (_, client, gone):
        entry, other = await gone.leaves(2, 1)
        before = len(audit(client))
        edited = gone.ordered(other).replace(other, entry)
        assert edited[64:] == gone.ordered(entry)[64:]
        gone.order(gone.ordered(entry, OTHER), edited, b"", b"0" * 64)
        # Nor is one kind of order taken for another.
        client.xadd(KEYS.ingress, {"redrive": gone.ordered(entry)})
        await decided(client)
        assert gone.pending() == {entry: 2, other: 1}
        assert {letter["decision"] for letter in letters(client)} == {"MALFORMED"}
        assert [each["decision"] for each in audit(client)][before:] == ["MALFORMED"] * 5
        await until(lambda: alarms(client).count("it is not obeyed") == 2)


async def test_what_no_gateway_delivered_is_taken_off_with_an_alarm_and_no_letter(redis_url):
    async with scene(redis_url) as (_, client, gone):
        client.xdel(gone.stream, *await gone.leaves(2, 2))
        forged = client.xadd(gone.stream, {"envelope": "{}", "route": "1-1 9 ", "seal": "0"})
        client.xreadgroup(AGENT_GROUP, "dead", {gone.stream: ">"})
        gone.touch(forged, 2, idle=LONG_AGO)
        assert len(gone.pending()) == 3
        await until(lambda: gone.pending() == {}, within=20)
        await until(lambda: alarms(client).count("it is taken off") == 3)
        assert client.xlen(gone.stream) == 0
        assert letters(client) == []


@asynccontextmanager
async def looking(redis_url, agents=("gone",), leases=(1,)):
    """Give the looks of a gateway, to be made one by one; the last lease stays in force."""
    left = list(leases)

    def delivery():
        return DeliverySettings(lease=left.pop(0) if len(left) > 1 else left[0], max_attempts=2)

    async with open_redis(redis_url) as redis:
        names = [AgentId(name) for name in agents]
        yield Sweep(redis, KEYS, KEYRING.record, lambda: names, delivery, SYSTEM)


def filled(client, agent, count, starts):
    """Leave so many deliveries behind, all started so often."""
    stream = KEYS.stream(AgentId(agent))
    client.xgroup_create(stream, AGENT_GROUP, "0", mkstream=True)
    with client.pipeline() as pipe:
        for _ in range(count):
            pipe.xadd(stream, {"n": "1"})
        found = pipe.execute()
    client.xreadgroup(AGENT_GROUP, "dead", {stream: ">"}, count=count)
    how = {"idle": LONG_AGO, "retrycount": starts, "justid": True}
    client.xclaim(stream, AGENT_GROUP, "dead", 0, found, **how)
    return found


def ordered(client):
    return client.xlen(KEYS.ingress)


async def test_agents_that_started_under_a_longer_lease_are_still_given_it(redis_url):
    with asking(redis_url) as client:
        filled(client, "gone", 1, 2)
        async with looking(redis_url, leases=(2 * LONG_AGO / 1000, 1)) as sweep:
            for _ in range(3):
                await sweep.look()
            assert ordered(client) == 0


async def test_an_order_is_given_again_only_when_it_has_had_time_to_be_obeyed(redis_url):
    with asking(redis_url) as client:
        filled(client, "gone", 1, 2)
        async with looking(redis_url) as sweep:
            given = []
            for _ in range(5):
                await sweep.look()
                given.append(ordered(client))
        assert given == [0, 1, 1, 2, 2]


async def test_a_long_list_is_walked_in_bounded_looks(redis_url):
    with asking(redis_url) as client:
        found = filled(client, "gone", 600, 1)
        Gone(client, None).touch(found[-1], 2, idle=LONG_AGO)
        async with looking(redis_url) as sweep:
            for _ in range(3):
                await sweep.look()
                assert ordered(client) == 0
            await sweep.look()
            assert ordered(client) == 1


async def test_many_agents_and_streams_that_are_none_are_looked_at_without_skipping_any(redis_url):
    names = [f"n{number:04}" for number in range(1500)]
    with asking(redis_url) as client:
        for name in names[::100]:
            filled(client, name, 100, 2)
        client.set(KEYS.stream(AgentId(names[1])), "no stream")
        client.xadd(KEYS.stream(AgentId(names[2])), {"no": "group"})
        async with looking(redis_url, names) as sweep:
            await sweep.look()
            assert ordered(client) == 0
            await sweep.look()
            # Bounded, but for what one page of agents holds.
            assert 1000 <= ordered(client) <= 1200
            await sweep.look()
            assert len({fields[b"abandoned"] for _, fields in client.xrange(KEYS.ingress)}) == 1500
