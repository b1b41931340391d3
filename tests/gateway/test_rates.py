"""S18, token buckets: the script against a model on given times, and what a sender over its rate is told."""

import itertools
import math
import time
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mas import Agent, ConfigurationError, Decision, MessageRefused
from mas.gateway import rates
from mas.ids import AgentId
from mas.settings import RateLimitSettings, RateOverride, load
from tests.hand import decided, enrolled
from tests.redis.waiting import until
from tests.world import KEYS, asking, audit, running

ONE = f"""
local buckets, paying, now = unpack(cmsgpack.unpack(ARGV[1]))
{rates.LUA}
local waits = {{}}
for i, each in ipairs(paying) do
  local wait = bucket_wait(each)
  if wait == 0 then bucket_pay(each) end
  waits[i] = string.format('%.6f', wait)
end
buckets_keep()
return waits
"""


class Model:
    """One bucket, as a book would have it: full at first, refilled evenly, never over its capacity."""

    def __init__(self, capacity: float, rate: float) -> None:
        self.capacity = self.level = capacity
        self.rate, self.at = rate, 0.0

    def wait(self, now: float) -> float:
        self.level = min(self.capacity, self.level + max(0.0, now - self.at) * self.rate)
        self.at = now
        return max(0.0, (1 - self.level) / self.rate)


limit = st.tuples(st.integers(1, 6).map(float), st.sampled_from([0.25, 0.5, 1.0, 4.0]))
# Quarters of a second, so that neither side rounds.
step = st.tuples(st.integers(0, 40), st.lists(st.sampled_from([(1,), (2,), (1, 2)]), min_size=1, max_size=5))


@pytest.fixture(scope="module")
def numbers():
    return itertools.count()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sender=st.lists(limit, min_size=1, max_size=2), pair=limit, steps=st.lists(step, max_size=12))
def test_buckets_pay_and_tell_the_wait_as_the_model_does(redis_url, numbers, sender, pair, steps):
    run = next(numbers)
    described = [
        (f"sender:{run}", [(name, *each) for name, each in zip(("minute", "hour"), sender, strict=False)]),
        (f"pair:{run}", [("minute", *pair)]),
    ]
    models = {1: [Model(*each) for each in sender], 2: [Model(*pair)]}
    now = 1_000_000.0
    with asking(redis_url) as client:
        for quarters, messages in steps:
            now += quarters / 4
            told = client.eval(ONE, 0, msgspec.msgpack.encode((described, messages, now)))
            for paying, wait in zip(messages, told, strict=True):
                buckets = [bucket for at in paying for bucket in models[at]]
                expected = max(bucket.wait(now) for bucket in buckets)
                assert math.isclose(float(wait), expected, abs_tol=1e-6)
                if expected == 0:
                    for bucket in buckets:
                        bucket.level -= 1


def buckets(sender: str, target: str, **settings_: Any):
    return rates.buckets_for(RateLimitSettings(**settings_), KEYS)(AgentId(sender), AgentId(target))


def test_an_override_replaces_the_general_limit_and_a_pair_stands_beside_both():
    limits = {
        "per_minute": 60,
        "burst": 10,
        "overrides": {"a": RateOverride(per_minute=6)},
        "pairs": {"a -> b": RateOverride(per_hour=36, burst=2)},
    }
    (own, pair) = buckets("a", "b", **limits)
    assert own.limits == (("minute", 6.0, 0.1),)
    assert (pair.key, pair.limits) == ("ratelimit:a:b", (("hour", 2.0, 0.01),))
    assert buckets("a", "c", **limits) == (own,)
    assert buckets("c", "b", **limits)[0].limits == (("minute", 10.0, 1.0),)
    assert buckets("a", "b", **limits, enabled=False) == ()
    assert buckets("a", "b") == ()


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ({"a->b": {"per_minute": 1}}, "a sender and a target"),
        ({"a -> *": {"per_minute": 1}}, "a sender and a target"),
        ({"a -> b": {}}, "it limits nothing"),
        ({"a -> b": {"per_minute": 0}}, "between 1 and"),
    ],
)
def test_a_pair_that_cannot_be_meant_is_refused_with_its_place(pairs, told):
    with pytest.raises(ConfigurationError) as refused:
        load({"agents": [], "gateway": {"rate_limit": {"pairs": pairs}}}, environ={})
    assert told in str(refused.value)
    assert "pairs" in str(refused.value)


class Quiet(Agent[dict[str, Any]]):
    async def on_message(self, message):
        pass


async def refusal(agent, target):
    with pytest.raises(MessageRefused) as refused:
        await agent.send(target, "x", confirm=True)
    assert refused.value.decision is Decision.RATE_LIMITED
    return refused.value


async def test_a_pair_over_its_rate_is_told_the_wait_and_the_sender_may_write_to_others(redis_url):
    limits = {"rate_limit": {"per_hour": 5, "pairs": {"a -> b": {"per_minute": 2}}}}
    async with running(redis_url, gateway=limits, a=Quiet, b=Quiet, c=Quiet) as system:
        a = system.agent("a")
        for _ in range(2):
            await a.send("b", "x", confirm=True)
        refused = await refusal(a, "b")
        assert refused.retry_after is not None
        assert 0 < refused.retry_after <= 30
        for _ in range(3):
            await a.send("c", "x", confirm=True)
        # What was refused paid nothing; now the sender's own bucket is the one to wait for.
        refused = await refusal(a, "c")
        assert refused.retry_after is not None
        assert 600 < refused.retry_after <= 720
        refused = await refusal(a, "b")
        assert refused.retry_after is not None
        assert 600 < refused.retry_after <= 720
        await system.agent("c").send("b", "x", confirm=True)
    with asking(redis_url) as client:
        assert [record["decision"] for record in audit(client)].count("RATE_LIMITED") == 3


async def test_all_instances_of_an_agent_share_its_buckets_whichever_gateway_decides(redis_url):
    limits = {"rate_limit": {"per_hour": 10}}
    twins = {"class_path": Quiet, "instances": 3}
    both = {"gateway": limits, "permissions": [{"type": "allow", "from": "a", "to": "b"}]}
    async with running(redis_url, **both, a=twins, b=Quiet) as one, running(redis_url, **both) as other:
        senders = [seat.life.agent for seat in one.seats if seat.spec.agent_id == "a"]
        told: list[Decision] = []

        async def tell(agent) -> None:
            try:
                await agent.send("b", "x", confirm=True)
            except MessageRefused as refused:
                told.append(refused.decision)
            else:
                told.append(Decision.ALLOWED)

        async with anyio.create_task_group() as tasks:
            for number in range(60):
                tasks.start_soon(tell, senders[number % 3])
        assert (told.count(Decision.ALLOWED), told.count(Decision.RATE_LIMITED)) == (10, 50)
        await until(lambda: sum(s.decisions[Decision.RATE_LIMITED] for s in (one, other)) == 50)


async def test_who_waits_as_long_as_it_was_told_passes(redis_url):
    limits = {"rate_limit": {"per_minute": 600, "burst": 1}}
    async with running(redis_url, gateway=limits, a=Quiet, b=Quiet) as system:
        a = system.agent("a")
        await a.send("b", "x", confirm=True)
        for _ in range(10):
            refused = await refusal(a, "b")
            assert refused.retry_after is not None
            assert 0 < refused.retry_after <= 0.1
            await anyio.sleep(refused.retry_after)
            await a.send("b", "x", confirm=True)


async def test_the_senders_clock_gains_it_nothing(redis_url):
    """A submission may be dated minutes ahead; its bucket is filled by Redis' clock."""
    limits = {"rate_limit": {"per_minute": 2}}
    wild = [{"type": "allow_wildcard", "agent": "hand"}]
    async with running(redis_url, gateway=limits, permissions=wild, b=Quiet) as system:
        with asking(redis_url) as client:
            hand = await enrolled(system, client, "hand")
            for minutes in range(5):
                hand.submit(hand.fields(hand.envelope("b"), at=time.time() + 60 * minutes - 120))
            await decided(client)
            assert [r["decision"] for r in audit(client)] == ["ALLOWED"] * 2 + ["RATE_LIMITED"] * 3
