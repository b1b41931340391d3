"""Several instances of one agent, and how many handlers run at a time."""

from collections import Counter
from typing import Any

import anyio
import pytest

from mas import Agent, ConfigurationError
from mas.system import prepare
from tests.redis.waiting import until
from tests.world import ENVIRON, Tally, deployment, running


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


async def test_instances_leave_to_one_another_what_they_cannot_start(redis_url):
    class Slow(Agent[dict[str, Any]]):
        started = Tally()
        all_started = anyio.Event()

        async def on_message(self, message):
            type(self).started.note(id(self))
            await type(self).all_started.wait()

    spec = {"class_path": Slow, "instances": 3, "concurrency": 2}
    async with running(redis_url, a=Sender, worker=spec) as system:
        for n in range(9):
            await system.agent("a").send("worker", "work", n)
        busy = Counter(await Slow.started.reaches(6))
        assert sorted(busy.values()) == [2, 2, 2]
        Slow.all_started.set()
        await Slow.started.reaches(9)


async def test_no_instance_handles_what_another_did(redis_url):
    spec = {"class_path": Worker, "instances": 3, "concurrency": 2}
    async with running(redis_url, a=Sender, worker=spec) as system:
        workers = [system.agent(f"worker-{n}") for n in (1, 2, 3)]
        for n in range(300):
            await system.agent("a").send("worker", "work", n)
        await until(lambda: sum(len(worker.handled.seen) for worker in workers) >= 300, within=20)
        handled = Counter(n for worker in workers for n in worker.handled.seen)
        assert handled == Counter(range(300))
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
    full, release, done = anyio.Event(), anyio.Event(), Tally()

    class Holds(Worker):
        @Agent.on("hold")
        async def hold(self, message, payload):
            self.now += 1
            self.most = max(self.most, self.now)
            if self.now == limit:
                full.set()
            await release.wait()
            self.now -= 1
            done.note(message.data)

    spec = {"class_path": Holds, "concurrency": limit}
    async with running(redis_url, a=Sender, b=spec) as system:
        for n in range(limit):
            # One by one, so that each arrives while its predecessors are being handled.
            await system.agent("a").send("b", "hold", n, confirm=True)
        with anyio.fail_after(10):
            await full.wait()
        for n in range(50):
            await system.agent("a").send("b", "hold", n, confirm=True)
        release.set()
        await done.reaches(limit + 50)
        assert system.agent("b").most == limit


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


def test_an_agent_cannot_be_named_like_an_instance_of_another(redis_url):
    agents: dict[str, Any] = {"w": {"class_path": Worker, "instances": 2}, "w-1": Worker}
    with pytest.raises(ConfigurationError, match="w-1 is what an instance of"):
        prepare(deployment(redis_url, **agents), environ=ENVIRON)
