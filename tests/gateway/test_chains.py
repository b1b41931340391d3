"""Two agents that answer each other for ever are stopped, and both are told."""

from typing import Any

import anyio
import pytest

from mas import Agent, Decision
from tests.world import Tally, asking, running


class Parrot(Agent[dict[str, Any]]):
    """Sends back whatever it is sent."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.heard, self.refusals = Tally(), Tally()

    @Agent.on("squawk")
    async def squawk(self, message, payload):
        self.heard.note(message.meta.depth)
        await self.send(message.sender_id, "squawk", message.data)

    def on_refused(self, refusal):
        self.refusals.note(refusal)


@pytest.mark.parametrize(
    ("limits", "delivered"), [({"max_hops": 9}, 10), ({"max_chain": 9}, 10)], ids=["depth", "budget"]
)
async def test_two_agents_that_answer_each_other_for_ever_are_stopped_and_both_told(
    redis_url, limits, delivered
):
    async with running(redis_url, gateway={"limits": limits}, polly=Parrot, jacob=Parrot) as system:
        polly, jacob = system.agent("polly"), system.agent("jacob")
        await polly.send("jacob", "squawk", "hello")
        for parrot in (polly, jacob):
            (refusal,) = await parrot.refusals.reaches(1)
            assert refusal.decision is Decision.RATE_LIMITED
            assert "chain" in refusal.reason
        assert sorted(polly.heard.seen + jacob.heard.seen) == list(range(delivered))
    with asking(redis_url) as redis:
        assert redis.xlen("agent.stream:polly") == redis.xlen("agent.stream:jacob") == 0


async def test_what_a_handler_sends_names_its_root_and_a_new_message_begins_a_chain(redis_url):
    class Ear(Agent[dict[str, Any]]):
        metas: Tally

        async def on_message(self, message):
            type(self).metas.note(message.meta)

    class Relay(Agent[dict[str, Any]]):
        async def on_message(self, message):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.send, "ear", "heard", message.data)

    Ear.metas = Tally()
    async with running(redis_url, relay=Relay, ear=Ear) as system:
        await system.agent("relay").send("ear", "direct")
        await system.agent("ear").send("relay", "tell")
        direct, relayed = await Ear.metas.reaches(2)
        assert (direct.root_id, direct.depth) == (None, 0)
        assert relayed.depth == 1
        assert relayed.root_id
