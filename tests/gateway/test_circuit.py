"""A target that keeps failing is left alone until it shows that it works again."""

from typing import Any

import anyio
import pytest

from mas import Agent, Decision, MessageRefused
from tests.world import Tally, asking, audit, running

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
