"""A request ends when it is answered, refused or due, whatever became of its way to Redis."""

import time

import anyio
import pytest

from mas import Agent, RedisUnavailable, RequestTimeout
from mas.testing.server import redis_server
from tests.faults.proxy import proxy
from tests.world import audit, running


class Desk(Agent[dict[str, object]]):
    @Agent.on("ask")
    async def ask(self, message, payload):
        await message.reply("answer", message.data)

    @Agent.on("ignore")
    async def ignore(self, message, payload):
        pass


@pytest.mark.parametrize("timeout", [0.3, 1.7])
async def test_it_times_out_when_it_is_due_and_not_before(redis_url, monkeypatch, timeout):
    # So the longer one is measured only in the end.
    monkeypatch.setattr("mas.agent.answers._NEAR", 1.0)
    async with running(redis_url, a=Agent, b=Desk) as system:
        began = time.monotonic()
        with anyio.fail_after(10), pytest.raises(RequestTimeout):
            await system.agent("a").request("b", "ignore", 1, timeout=timeout)
        assert time.monotonic() - began >= timeout


async def test_an_answer_that_comes_near_the_end_is_an_answer(redis_url, monkeypatch):
    monkeypatch.setattr("mas.agent.answers._NEAR", 10.0)
    async with running(redis_url, a=Agent, b=Desk) as system:
        assert (await system.agent("a").request("b", "ask", 7, timeout=9)).data == 7


async def test_whose_connection_breaks_before_redis_says_that_it_has_it_is_answered_all_the_same(
    anyio_backend,
):
    count, answers = 300, set()
    with redis_server(port=0) as server, server.client() as client:
        assert server.port is not None
        async with (
            proxy(server.port) as between,
            running(server.url, a=Agent, b=Desk, parts={"gateway", "service"}),
            running(between.url, a=Agent, b=Desk, parts={"agents"}) as system,
            anyio.create_task_group() as tasks,
        ):
            some = anyio.Event()

            async def ask(numbers):
                for number in numbers:
                    answers.add((await system.agent("a").request("b", "ask", number, timeout=60)).data)
                    if len(answers) > count // 3:
                        some.set()

            for first in range(20):
                tasks.start_soon(ask, range(first, count, 20))
            await some.wait()
            for _ in range(3):
                await between.cut()
        assert answers == set(range(count))
        # So some were really appended twice, and recognized.
        assert [record for record in audit(client) if record["decision"] == "REPLAYED"]


async def test_one_for_which_redis_has_no_room_says_so_at_once(anyio_backend):
    with redis_server() as server, server.client() as client:
        async with running(server.url, a=Agent, b=Desk) as system:
            client.config_set("maxmemory", 1)
            with anyio.fail_after(10), pytest.raises(RedisUnavailable, match="out of memory"):
                await system.agent("a").request("b", "ask", 1, timeout=60)
            client.config_set("maxmemory", 0)
            assert (await system.agent("a").request("b", "ask", 2, timeout=30)).data == 2
