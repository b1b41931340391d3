"""F17: entries that somebody trimmed while they were pending, and pending lists of a hundred thousand."""

from typing import Any

import anyio
import pytest

from mas import Agent
from mas.bus import SCRIPTS, ensure_group, reclaim
from mas.keys import AGENT_GROUP, GATEWAY_GROUP
from mas.redis import open_redis
from mas.system import Part
from tests.hand import enrolled
from tests.redis.waiting import until
from tests.world import KEYS, Tally, asking, audit, entries, running

MANY = 100_000
B = "agent.stream:b"
FILL = """
for n = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'n', n) end
redis.call('XREADGROUP', 'GROUP', ARGV[2], ARGV[3], 'COUNT', ARGV[1], 'STREAMS', KEYS[1], '>')
"""
MAY = [{"type": "allow", "from": ["a", "hand"], "to": "b"}]
NO_AGENTS: frozenset[Part] = frozenset({"gateway", "service"})


class Sender(Agent[dict[str, Any]]):
    pass


class Receiver(Agent[dict[str, Any]]):
    def __init__(self, agent_id, **more):
        super().__init__(agent_id, **more)
        self.got = Tally()

    async def on_message(self, message):
        self.got.note(message.data)


def alarms(client):
    return [e["record"] for e in entries(client, KEYS.audit_security) if '"ALARM"' in e["record"]]


def lapse(client, ids):
    """Let entries look as if nobody had renewed them for long."""
    client.xclaim(B, AGENT_GROUP, "dead", 0, ids, idle=90_000, justid=True)


async def test_of_a_hundred_thousand_pending_the_last_is_found_and_what_was_trimmed_is_counted(redis_url):
    lost: list[int] = []
    with asking(redis_url) as client:
        async with open_redis(redis_url, scripts=SCRIPTS) as redis:
            await ensure_group(redis, B, AGENT_GROUP)
            client.eval(FILL, 1, B, MANY, AGENT_GROUP, "alive")
            ids = [entry for entry, _ in reversed(client.xrevrange(B, count=50))]
            # All of it is held by one that lives, but for a few at the end: some trimmed, some not.
            gone = ids[:30]
            lapse(client, ids)
            client.xdel(B, *gone)
            taken = 0
            for _ in range(20):
                found = await reclaim(redis, B, AGENT_GROUP, "me", idle=60, count=10, lost=lost.append)
                taken += found.taken
                if not found.more:
                    break
            held = client.xpending(B, AGENT_GROUP)
    assert taken == 20
    assert sum(lost) == 30
    assert {c["name"]: c["pending"] for c in held["consumers"]} == {b"alive": MANY - 50, b"me": 20}


async def test_a_delivery_trimmed_while_a_dead_instance_held_it_is_counted_and_alarmed(
    redis_url, monkeypatch
):
    quick = {"delivery": {"lease": 1}}
    with asking(redis_url) as client:
        async with running(redis_url, permissions=MAY, gateway=quick, a=Sender, b=Receiver):
            pass
        async with running(redis_url, permissions=MAY, gateway=quick, a=Sender) as system:
            for n in range(10):
                await system.agent("a").send("b", "tell", n, confirm=True)
            client.xreadgroup(AGENT_GROUP, "dead", {B: ">"})
            client.xtrim(B, maxlen=4, approximate=False)
            async with running(
                redis_url, parts=frozenset({"agents"}), gateway=quick, b=Receiver
            ) as receiving:
                assert await receiving.agent("b").got.reaches(4) == [6, 7, 8, 9]
                await until(lambda: client.xpending(B, AGENT_GROUP)["pending"] == 0)
                await until(lambda: any("6 entries" in alarm and B in alarm for alarm in alarms(client)))
                await system.agent("a").send("b", "tell", 10, confirm=True)
                assert await receiving.agent("b").got.reaches(5) == [6, 7, 8, 9, 10]


async def test_a_delivery_trimmed_from_an_instances_own_list_is_counted_and_alarmed(redis_url):
    release, begun = anyio.Event(), anyio.Event()

    class Holds(Receiver):
        async def on_message(self, message):
            begun.set()
            await release.wait()
            self.got.note(message.data)

    spec = {"class_path": Holds, "concurrency": 1}
    with asking(redis_url) as client:
        async with running(redis_url, permissions=MAY, a=Sender, b=spec) as system:
            await system.agent("a").send("b", "tell", 0, confirm=True)
            await begun.wait()
            me = system.seats[1].instance
            for n in range(1, 6):
                await system.agent("a").send("b", "tell", n, confirm=True)
            # Read under its name and never seen by it, as by a connection that broke.
            client.xreadgroup(AGENT_GROUP, me, {B: ">"})
            client.xtrim(B, maxlen=2, approximate=False)
            client.client_kill_filter(_type="normal", skipme=True)
            release.set()
            await system.agent("b").got.reaches(3)
            await until(lambda: client.xpending(B, AGENT_GROUP)["pending"] == 0)
            assert sorted(system.agent("b").got.seen) == [0, 4, 5]
            await until(lambda: any(B in alarm and "trimmed" in alarm for alarm in alarms(client)))


@pytest.mark.parametrize("dead", [True, False])
async def test_a_submission_trimmed_while_a_gateway_held_it_is_counted_and_costs_no_neighbour(
    redis_url, dead
):
    ingress = KEYS.ingress
    with asking(redis_url) as client:
        async with running(redis_url, permissions=MAY, a=Sender, b=Receiver) as system:
            hand = await enrolled(system, client, "hand")
            for n in range(3):
                hand.send("b", data=n)
            assert await system.agent("b").got.reaches(3) == [0, 1, 2]
            (name,) = (each.decode() for each in client.smembers(KEYS.gateways))
            await system.root.stop("gateway")
            for n in range(3, 13):
                hand.send("b", data=n)
            # Held by a gateway that died, or by this one before it went away for a moment.
            holder = "dead" if dead else name
            client.xreadgroup(GATEWAY_GROUP, holder, {ingress: ">"})
            client.sadd(KEYS.gateways, holder)
            client.xtrim(ingress, maxlen=4, approximate=False)
            await system.root.start("gateway")
            assert (await system.agent("b").got.reaches(7))[3:] == [9, 10, 11, 12]
            await until(lambda: client.xpending(ingress, GATEWAY_GROUP)["pending"] == 0)
            await until(lambda: any(ingress in alarm and "trimmed" in alarm for alarm in alarms(client)))
            assert len([r for r in audit(client) if r["decision"] == "ALLOWED"]) == 7
