"""What a tree goes through is told on `mas.system` and counted."""

from typing import Any

import msgspec

from mas import Agent
from mas.redis import open_subscriber
from mas.registry import Event, Kind
from tests.world import KEYS, Tally, running


class Fragile(Agent[dict[str, Any]]):
    """Crashes as often as it is told."""

    crashes = 0

    async def on_start(self):
        if type(self).crashes:
            type(self).crashes -= 1
            raise ValueError("again")


class Plain(Agent[dict[str, Any]]):
    """Does nothing."""


def listening(subscriber, *kinds):
    tally = Tally()

    def hear(payload):
        if payload is not None:
            event = msgspec.json.decode(payload, type=Event)
            if event.event in kinds:
                tally.note((event.event, event.agent_id, event.instance_id))

    subscriber.listen(KEYS.system, hear)
    return tally


async def test_a_restart_is_told_with_agent_and_instance(redis_url):
    Fragile.crashes = 1
    async with open_subscriber(redis_url) as subscriber:
        heard = listening(subscriber, Kind.RESTARTED)
        async with running(redis_url, fragile=Fragile, other=Plain) as system:
            (seat,) = [seat for seat in system.seats if seat.name == "fragile"]
            assert await heard.reaches(1) == [(Kind.RESTARTED, "fragile", seat.instance)]
            assert system.counts.restarts == {"agents/fragile": 1}
            assert system.counts.failures == {"agents/fragile": 1}
            await system.root.restart("agents/other")
            await heard.reaches(2)
            assert system.counts.restarts == {"agents/fragile": 1, "agents/other": 1}


async def test_an_agent_that_is_given_up_is_told_and_the_others_live_on(redis_url):
    Fragile.crashes = 1
    fragile = {"class_path": Fragile, "max_restarts": 0}
    async with open_subscriber(redis_url) as subscriber:
        heard = listening(subscriber, Kind.GIVEN_UP)
        async with running(redis_url, fragile=fragile, other=Plain) as system:
            assert [event[:2] for event in await heard.reaches(1)] == [(Kind.GIVEN_UP, "fragile")]
            assert system.counts.given_up == {"agents/fragile": 1}
            assert system.root.tree().find("agents/other").uptime > 0


async def test_a_supervisor_that_fails_is_told_by_its_name_and_restarted_by_the_one_above(redis_url):
    Fragile.crashes = 1
    front = {"name": "front", "strategy": "one_for_all", "max_restarts": 0, "children": ["fragile", "other"]}
    async with open_subscriber(redis_url) as subscriber:
        heard = listening(subscriber, Kind.ESCALATED, Kind.RESTARTED)
        async with running(
            redis_url, fragile=Fragile, other=Plain, third=Plain, options={"supervisors": [front]}
        ) as system:
            told = await heard.reaches(4)
            assert told[0] == (Kind.ESCALATED, "front", None)
            assert (Kind.RESTARTED, "front", None) in told
            assert system.counts.escalations == {"agents/front": 1}
            assert system.root.tree().find("agents/third").restarts == 0
            assert system.root.tree().find("agents/front").restarts == 1


async def test_an_agents_own_budget_is_its_supervisors_business_where_others_need_it(redis_url):
    fragile = {"class_path": Fragile, "max_restarts": 0}
    for strategy, outcome in (("one_for_one", Kind.GIVEN_UP), ("rest_for_one", Kind.ESCALATED)):
        Fragile.crashes = 1
        front = {"name": "front", "strategy": strategy, "children": ["fragile", "other"]}
        async with open_subscriber(redis_url) as subscriber:
            heard = listening(subscriber, Kind.GIVEN_UP, Kind.ESCALATED)
            async with running(redis_url, fragile=fragile, other=Plain, options={"supervisors": [front]}):
                assert [event[0] for event in await heard.reaches(1)] == [outcome]
