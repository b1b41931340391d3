"""An agent that is given up does not count as alive, and counts again when it is started again."""

from typing import Any, ClassVar

import msgspec
import pytest

from mas import Agent
from mas.ids import AgentId
from tests.redis.waiting import until
from tests.world import KEYS, asking, entries, running

B = AgentId("b")


class Frail(Agent[dict[str, Any]]):
    broken: ClassVar = True

    async def on_start(self):
        if type(self).broken:
            raise RuntimeError("it cannot live")

    @Agent.on("ask")
    async def answer(self, message, payload):
        await message.reply("answer", message.data)


class Sound(Agent[dict[str, Any]]):
    pass


def left(client):
    records = [msgspec.json.decode(entry["record"]) for entry in entries(client, KEYS.audit_security)]
    return [record["subject"] for record in records if record["event"] == "LEFT"]


@pytest.mark.parametrize("under", [None, "crew"], ids=["alone", "with its supervisor"])
async def test_an_agent_that_is_given_up_is_signed_off_until_it_is_started_again(
    redis_url, under, monkeypatch
):
    monkeypatch.setattr(Frail, "broken", True)
    spec = {"class_path": Frail, "max_restarts": 0}
    options = {"supervisors": [{"name": "crew", "children": ["b"]}]} if under else {}
    path = f"agents/{under}/b" if under else "agents/b"
    async with running(redis_url, options=options, a=Sound, b=spec) as system:
        with asking(redis_url) as client:
            seats = {str(seat.spec.agent_id): seat.instance for seat in system.seats}
            alive = KEYS.heartbeat(B, seats["b"])
            await until(lambda: not client.exists(alive, KEYS.instance_stream(B, seats["b"])))
            assert client.exists(KEYS.heartbeat(AgentId("a"), seats["a"]))
            assert client.sismember(KEYS.agents, B), "it is registered still: mail for it waits"
            await until(lambda: f"b:{seats['b']}" in left(client))

            monkeypatch.setattr(Frail, "broken", False)
            await system.root.start(path)
            reply = await system.agent("a").request("b", "ask", {"n": 1})
            assert reply.data == {"n": 1}
            assert client.exists(alive)
