"""From start to stop: who may talk when, and what a crash costs."""

from typing import Any

import anyio
import pytest

from mas import Agent, MasError
from tests.world import Tally, running


class Echo(Agent[dict[str, Any]]):
    @Agent.on("ask")
    async def asked(self, message, payload):
        await message.reply("answer", message.data)


async def test_on_start_may_ask_agents_that_are_started_later(redis_url):
    answered = Tally()

    class First(Agent[dict[str, Any]]):
        async def on_start(self):
            answered.note((await self.request("last", "ask", 1, timeout=5)).data)

    async with running(redis_url, first=First, middle=Echo, last=Echo):
        assert await answered.reaches(1) == [1]


async def test_on_start_may_last_as_long_as_the_agent(redis_url):
    ended = Tally()

    class Works(Echo):
        async def on_start(self):
            try:
                await anyio.sleep_forever()
            finally:
                ended.note("cancelled")

    async with running(redis_url, a=Echo, b=Works) as system:
        assert (await system.agent("a").request("b", "ask", 1, timeout=5)).data == 1
        assert not ended.seen
    assert ended.seen == ["cancelled"]


async def test_on_stop_runs_after_the_last_handler_and_may_still_talk(redis_url):
    told, begun, release = Tally(), anyio.Event(), anyio.Event()

    class Stops(Agent[dict[str, Any]]):
        @Agent.on("slow")
        async def slow(self, message, payload):
            begun.set()
            await release.wait()
            told.note("handled")

        async def on_stop(self):
            told.note("stopping")
            await self.send("b", "bye")

    class Hears(Echo):
        @Agent.on("bye")
        async def bye(self, message, payload):
            told.note("bye")

    async with running(redis_url, b=Hears, a=Stops) as system:
        await system.agent("b").send("a", "slow")
        await begun.wait()
        release.set()
    assert told.seen[:2] == ["handled", "stopping"]


async def test_an_agent_that_crashes_is_made_anew_and_finds_its_mail(redis_url):
    lives: list[Agent[Any]] = []

    class Crashes(Echo):
        async def on_start(self):
            lives.append(self)
            if len(lives) == 1:
                raise RuntimeError("the first life is short")

    async with running(redis_url, a=Echo, b=Crashes) as system:
        for n in range(10):
            assert (await system.agent("a").request("b", "ask", n, timeout=10)).data == n
        assert len(lives) == 2
        assert lives[0] is not lives[1]


async def test_an_agent_that_does_not_run_says_so():
    with pytest.raises(MasError, match="lonely is not running: a system starts it"):
        await Echo("lonely").send("b", "ask")


async def test_a_stopped_agent_cannot_send_any_more(redis_url):
    async with running(redis_url, a=Echo, b=Echo) as system:
        a = system.agent("a")
        await a.send("b", "ask")
    with pytest.raises(MasError, match="is not running"):
        await a.send("b", "ask")


async def test_capabilities_and_metadata_come_from_the_constructor_or_the_class(redis_url):
    class Says(Echo):
        def get_metadata(self):
            return {"colour": "blue"}

    spec = {"class_path": Echo, "init_kwargs": {"capabilities": ["echo", "demo"], "metadata": {"x": 1}}}
    async with running(redis_url, a=Echo, b=spec, c=Says) as system:
        peers = {peer.agent_id: peer for peer in await system.agent("a").discover(timeout=5)}
        assert peers["b"].capabilities == ("echo", "demo")
        assert peers["b"].metadata == {"x": 1}
        assert peers["c"].metadata == {"colour": "blue"}
