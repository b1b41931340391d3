"""A target that keeps failing is left alone until it shows that it works again."""

from typing import Any

import anyio
import pytest

from mas import Agent, Decision, MessageRefused
from mas.gateway.breakers import circuits, reset
from mas.ids import AgentId
from tests.redis.waiting import until
from tests.world import KEYS, Tally, asking, audit, running

BREAKER = {"failure_threshold": 3, "timeout": 0.6, "probes": 1, "window": 60}
ONCE = {"max_attempts": 1}


class Caller(Agent[dict[str, Any]]):
    """Asks."""


class Oven(Agent[dict[str, Any]]):
    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.works = False
        self.asked = Tally()

    @Agent.on("bake")
    async def bake(self, message, payload):
        self.asked.note(message.data)
        if not self.works:
            raise OSError("no gas")
        await message.reply("loaf")


async def refusal_of(asking_agent, target="oven") -> MessageRefused:
    with pytest.raises(MessageRefused) as refused:
        await asking_agent.request(target, "bake", timeout=20)
    return refused.value


async def outcome_of(asking_agent) -> MessageRefused | None:
    try:
        await asking_agent.request("oven", "bake", timeout=20)
    except MessageRefused as refused:
        return refused
    return None


async def until_open(caller) -> MessageRefused:
    with anyio.fail_after(20):
        while (refused := await refusal_of(caller)).decision is not Decision.CIRCUIT_OPEN:
            assert refused.decision is Decision.DEAD_LETTERED
    return refused


async def test_a_target_that_keeps_failing_is_left_alone_and_the_sender_told_for_how_long(redis_url):
    gateway = {"circuit_breaker": {**BREAKER, "timeout": 60}, "delivery": ONCE}
    async with running(redis_url, gateway=gateway, caller=Caller, oven=Oven, spare=Oven) as system:
        caller, oven, spare = (system.agent(name) for name in ("caller", "oven", "spare"))
        refused = await until_open(caller)
        assert refused.retry_after is not None
        assert 0 < refused.retry_after <= 60
        reached = len(oven.asked.seen)
        assert (await refusal_of(caller)).decision is Decision.CIRCUIT_OPEN
        assert len(oven.asked.seen) == reached
        spare.works = True
        assert (await caller.request("spare", "bake", timeout=20)).message_type == "loaf"
    with asking(redis_url) as redis:
        assert redis.hget("circuit:oven", "state") == b"open"
        assert redis.hget("circuit:spare", "state") in {None, b"closed"}
        assert [r["decision"] for r in audit(redis)].count("CIRCUIT_OPEN") == 2


async def test_after_its_time_a_probe_that_succeeds_closes_it(redis_url):
    gateway = {"circuit_breaker": BREAKER, "delivery": ONCE}
    async with running(redis_url, gateway=gateway, caller=Caller, oven=Oven) as system:
        caller, oven = system.agent("caller"), system.agent("oven")
        await until_open(caller)
        oven.works = True
        with asking(redis_url) as redis, anyio.fail_after(20):
            while redis.hget("circuit:oven", "state") != b"closed":
                if (refused := await outcome_of(caller)) is not None:
                    assert refused.decision is Decision.CIRCUIT_OPEN
                    await anyio.sleep(min(refused.retry_after or 1, 0.05))


async def test_a_probe_that_fails_opens_it_again(redis_url):
    gateway = {"circuit_breaker": BREAKER, "delivery": ONCE}
    async with running(redis_url, gateway=gateway, caller=Caller, oven=Oven) as system:
        caller = system.agent("caller")
        first = await until_open(caller)
        with asking(redis_url) as redis, anyio.fail_after(20):
            opened = float(redis.hget("circuit:oven", "opened_at"))
            await anyio.sleep(first.retry_after or 0)
            probed = await refusal_of(caller)
            while probed.decision is Decision.CIRCUIT_OPEN:
                await anyio.sleep(probed.retry_after or 0.01)
                probed = await refusal_of(caller)
            assert probed.decision is Decision.DEAD_LETTERED
            while (
                redis.hget("circuit:oven", "state") != b"open"
                or float(redis.hget("circuit:oven", "opened_at")) <= opened
            ):
                await anyio.sleep(0.02)


class Strict(Agent[dict[str, Any]]):
    @Agent.on("bake", model=int)
    async def bake(self, message, payload):
        await message.reply("loaf")


async def test_payloads_that_do_not_fit_never_open_it_for_others(redis_url):
    gateway = {"circuit_breaker": BREAKER, "delivery": ONCE}
    async with running(redis_url, gateway=gateway, caller=Caller, oven=Strict) as system:
        caller = system.agent("caller")
        for _ in range(10):
            assert (await refusal_of(caller)).decision is Decision.DEAD_LETTERED
        # A report would be due within a second of the failures.
        await anyio.sleep(1.6)
        assert (await caller.request("oven", "bake", 1, timeout=20)).message_type == "loaf"


async def test_switched_off_it_lets_everything_through(redis_url):
    gateway = {"circuit_breaker": BREAKER, "delivery": ONCE, "features": {"circuit_breaker": False}}
    async with running(redis_url, gateway=gateway, caller=Caller, oven=Oven) as system:
        for _ in range(6):
            assert (await refusal_of(system.agent("caller"))).decision is Decision.DEAD_LETTERED
        await anyio.sleep(1.6)
        assert (await refusal_of(system.agent("caller"))).decision is Decision.DEAD_LETTERED
    with asking(redis_url) as redis:
        assert not redis.exists("circuit:oven")


class Slow(Agent[dict[str, Any]]):
    """Handles what it is told once it may."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.may, self.asked = anyio.Event(), Tally()

    @Agent.on("tell")
    async def hear(self, message, payload):
        self.asked.note(message.data)
        await self.may.wait()

    @Agent.on("number", model=int)
    async def count(self, message, payload):
        self.asked.note(payload)


async def decision_of(agent, target="oven", kind="tell", data=None) -> Decision:
    try:
        await agent.send(target, kind, data, confirm=True)
    except MessageRefused as refused:
        return refused.decision
    return Decision.ALLOWED


def open_for(redis, agent: str, *, since: float) -> None:
    """Leave a circuit as one that opened so many seconds ago."""
    opened = f"{float(redis.time()[0]) - since:.6f}"
    redis.hset(f"circuit:{agent}", mapping={"state": "open", "opened_at": opened, "since": opened})


def state_of(redis, agent: str) -> str | None:
    (found,) = redis.hmget(f"circuit:{agent}", "state")
    return str(found.decode()) if found else None


async def test_half_open_lets_only_its_probes_through_and_their_success_closes_it(redis_url):
    """The receiver is a new life that knows of no trouble, as after a restart."""
    gateway = {"circuit_breaker": {"timeout": 600, "probes": 3}}
    async with running(redis_url, gateway=gateway, caller=Caller, oven=Slow) as system:
        caller, oven = system.agent("caller"), system.agent("oven")
        with asking(redis_url) as redis:
            open_for(redis, "oven", since=601)
            told: list[Decision] = []

            async def tell() -> None:
                told.append(await decision_of(caller))

            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(tell)
            assert (told.count(Decision.ALLOWED), told.count(Decision.CIRCUIT_OPEN)) == (3, 17)
            (shown,) = await circuits(system.redis, KEYS)
            assert (shown.agent, shown.state) == ("oven", "half-open")
            assert await decision_of(caller) is Decision.CIRCUIT_OPEN
            oven.may.set()
            await until(lambda: state_of(redis, "oven") == "closed")
            assert [await decision_of(caller) for _ in range(10)] == [Decision.ALLOWED] * 10


async def test_payloads_that_do_not_fit_do_not_spend_the_probes_for_others(redis_url):
    gateway = {"circuit_breaker": {"timeout": 600, "probes": 1}}
    async with running(redis_url, gateway=gateway, caller=Caller, oven=Slow) as system:
        with asking(redis_url) as redis:
            open_for(redis, "oven", since=601)
            assert await decision_of(system.agent("caller"), kind="number", data="none") is Decision.ALLOWED
            await until(lambda: state_of(redis, "oven") == "closed")


async def test_a_circuit_is_one_for_all_gateways_and_is_closed_for_all_by_a_reset(redis_url):
    gateway = {"circuit_breaker": {"timeout": 600}}
    network = [{"type": "allow_network", "agents": ["caller", "oven"]}]
    both = {"gateway": gateway, "permissions": network}
    async with (
        running(redis_url, **both, caller=Caller, oven=Slow) as one,
        running(redis_url, **both) as other,
    ):
        caller = one.agent("caller")
        one.agent("oven").may.set()
        with asking(redis_url) as redis, anyio.fail_after(30):
            open_for(redis, "oven", since=1)
            while not all(system.decisions[Decision.CIRCUIT_OPEN] for system in (one, other)):
                assert await decision_of(caller) is Decision.CIRCUIT_OPEN
            assert await reset(one.redis, KEYS, AgentId("oven"))
            while not all(system.decisions[Decision.ALLOWED] for system in (one, other)):
                assert await decision_of(caller) is Decision.ALLOWED


async def test_leases_that_lapsed_count_as_failures(redis_url):
    """Another consumer of the target takes messages, and is never heard of again."""
    gateway = {
        "circuit_breaker": {"failure_threshold": 3, "failure_share": 0.3, "timeout": 600},
        "delivery": {"lease": 1},
    }
    async with running(redis_url, gateway=gateway, caller=Caller, oven=Slow) as system:
        caller, oven = system.agent("caller"), system.agent("oven")
        oven.may.set()
        with asking(redis_url) as redis:
            system.seats[1].life.pause()
            for number in range(3):
                await caller.send("oven", "tell", number, confirm=True)
            taken = redis.xreadgroup("agents", "dead", {"agent.stream:oven": ">"})
            system.seats[1].life.resume()
            assert len(taken[0][1]) == 3
            await until(lambda: state_of(redis, "oven") == "open")
            assert await oven.asked.reaches(3) == [0, 1, 2]
            assert await decision_of(caller) is Decision.CIRCUIT_OPEN
