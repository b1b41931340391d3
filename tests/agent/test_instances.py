"""Several instances of one agent, and how many handlers run at a time."""

from collections import Counter
from typing import Any

import anyio
import pytest

from mas import Agent
from tests.world import Tally, asking, running


class Worker(Agent[dict[str, Any]]):
    """Counts how many of its handlers run at a time."""

    def __init__(self, agent_id):
        super().__init__(agent_id)
        self.now = self.most = 0
        self.handled = Tally()

    @Agent.on("work")
    async def work(self, message, payload):
        self.now += 1
        self.most = max(self.most, self.now)
        await anyio.sleep(0.002)
        self.now -= 1
        self.handled.note(message.data)

    @Agent.on("ask")
    async def ask(self, message, payload):
        self.handled.note(message.data)
        await anyio.sleep(0.002)
        await message.reply("answer", message.data)


class Sender(Agent[dict[str, Any]]):
    @Agent.on("relay")
    async def relay(self, message, payload):
        reply = await self.request("worker", "ask", message.data, timeout=20)
        await message.reply("relayed", {"got": reply.data, "me": str(id(self))})


async def test_instances_share_the_load_and_none_handles_what_another_did(redis_url):
    spec = {"class_path": Worker, "instances": 3, "concurrency": 2}
    async with running(redis_url, a=Sender, worker=spec) as system:
        workers = [system.agent(f"worker-{n}") for n in (1, 2, 3)]
        for n in range(300):
            await system.agent("a").send("worker", "work", n)
        with anyio.fail_after(20):
            while sum(len(worker.handled.seen) for worker in workers) < 300:
                await anyio.sleep(0.01)
        handled = Counter(n for worker in workers for n in worker.handled.seen)
        assert handled == Counter(range(300))
        assert all(len(worker.handled.seen) > 30 for worker in workers)
        assert all(worker.most <= 2 for worker in workers)


async def test_a_reply_goes_to_the_instance_that_asked(redis_url):
    relays = {"class_path": Sender, "instances": 3}
    async with running(redis_url, a=Sender, relay=relays, worker=Worker) as system:
        a, answers = system.agent("a"), {}

        async def ask(n):
            answers[n] = (await a.request("relay", "relay", n, timeout=20)).data

        async with anyio.create_task_group() as tasks:
            for n in range(100):
                tasks.start_soon(ask, n)
        assert {n: answer["got"] for n, answer in answers.items()} == {n: n for n in range(100)}
        assert len({answer["me"] for answer in answers.values()}) > 1


@pytest.mark.parametrize("limit", [1, 3, 16])
async def test_never_more_handlers_at_once_than_the_concurrency_and_no_fewer_when_there_is_work(
    redis_url, limit
):
    spec = {"class_path": Worker, "concurrency": limit}
    async with running(redis_url, a=Sender, worker=spec) as system:
        a, worker = system.agent("a"), system.agent("worker")
        for n in range(200):
            await a.send("worker", "work", n)
        await worker.handled.reaches(200)
        assert worker.most == limit


async def test_order_is_kept_at_concurrency_1_though_handlers_wait(redis_url):
    spec = {"class_path": Worker, "concurrency": 1}
    async with running(redis_url, a=Sender, worker=spec) as system:
        for n in range(300):
            await system.agent("a").send("worker", "work", n)
        assert await system.agent("worker").handled.reaches(300) == list(range(300))


async def test_a_handler_that_waits_for_another_request_to_its_own_agent_is_not_starved(redis_url):
    class Nested(Agent[dict[str, Any]]):
        @Agent.on("depth")
        async def depth(self, message, payload):
            n = message.data
            inner = 0 if n == 0 else (await self.request("nested", "depth", n - 1, timeout=10)).data
            await message.reply("answer", inner + 1)

    to_itself = [{"type": "allow_wildcard", "agent": "nested"}, {"type": "allow_wildcard", "agent": "a"}]
    async with running(redis_url, permissions=to_itself, a=Sender, nested=Nested) as system:
        assert (await system.agent("a").request("nested", "depth", 10, timeout=10)).data == 11


async def test_names_of_instances_never_meet_the_names_of_agents(redis_url):
    agents = {"w": {"class_path": Worker, "instances": 2}, "w-1": Worker, "a": Sender}
    async with running(redis_url, **agents) as system:
        for target in ("w", "w-1"):
            assert (await system.agent("a").request(target, "ask", target, timeout=5)).data == target
        with asking(redis_url) as client:
            assert client.scard("agent:w:instances") == 2
            assert client.scard("agent:w-1:instances") == 1
