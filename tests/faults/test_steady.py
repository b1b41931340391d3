"""F21, F7: what grows under a steady load, and what a process does while there is no Redis."""

import gc
import os
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from mas import Agent, RedisUnavailable
from mas.testing.server import redis_server
from tests.faults.checker import check
from tests.redis.waiting import until
from tests.world import Tally, asking, running


class Sender(Agent[dict[str, Any]]):
    async def say(self, numbers):
        for n in numbers:
            await self.send("b", "work", n)


class Receiver(Agent[dict[str, Any]]):
    def __init__(self, agent_id, **more):
        super().__init__(agent_id, **more)
        self.handled = 0
        self.got = Tally()

    @Agent.on("work")
    async def work(self, message, payload):
        self.handled += 1

    @Agent.on("keep")
    async def keep(self, message, payload):
        self.got.note(message)

    @Agent.on("ask")
    async def ask(self, message, payload):
        await message.reply("answer", message.data)


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def consumers(client):
    streams = list(client.scan_iter(_type="stream"))
    return sorted((s, g["name"], g["consumers"]) for s in streams for g in client.xinfo_groups(s))


async def test_under_a_steady_load_neither_keys_nor_consumers_nor_memory_grow(redis_url):
    rounds, each = 6, 450
    # The trail is bounded by archives, which are another test's subject; here it is kept short.
    keys: list[Any] = []
    memory: list[int] = []
    with asking(redis_url) as client:
        async with running(redis_url, a=Sender, b=Receiver) as system:
            a, b = system.agent("a"), system.agent("b")
            for round_ in range(rounds):
                async with anyio.create_task_group() as tasks:
                    for _ in range(3):
                        tasks.start_soon(a.say, range(each // 3))
                    for n in range(50):
                        assert (await a.request("b", "ask", n, timeout=20)).data == n
                due = (round_ + 1) * each
                await until(lambda: b.handled == due, within=30)  # noqa: B023
                await until(lambda: client.xlen("agent.stream:b") == 0)
                if not keys:
                    await until(lambda: client.exists("audit:seals", "audit:sealed") == 2)
                lasting = {key for key in client.scan_iter() if client.ttl(key) == -1}
                keys.append((lasting, consumers(client)))
                memory.append(resident())
    # The first round makes what is there for good.
    assert keys[1:] == keys[:1] * (rounds - 1)
    # What is remembered of settled messages has its bound within the first rounds.
    assert max(memory[3:]) < 1.05 * memory[2]


@pytest.mark.parametrize("how", ["silent", "gone"])
async def test_without_redis_nobody_is_busy_a_sender_is_told_in_time_and_all_resume(how, monkeypatch):
    quick = {"redis": {"response_timeout": 0.5, "connect_timeout": 1}}
    with redis_server(appendonly="yes", extra=("--appendfsync", "always")) as server:
        async with running(server.url, gateway=quick, a=Sender, b=Receiver) as system:
            a, b = system.agent("a"), system.agent("b")
            await a.send("b", "keep", 0, confirm=True)
            monkeypatch.setattr(a._life._outbox, "_patience", 0.5)
            if how == "silent":
                server.suspend()
            else:
                await anyio.to_thread.run_sync(server.kill)
            began, busy = time.monotonic(), time.process_time()
            # Its connection is given up, and waited for as long as its patience lasts.
            with anyio.fail_after(10), pytest.raises(RedisUnavailable):
                await a.send("b", "keep", 1)
            await anyio.sleep(0.5)
            share = (time.process_time() - busy) / (time.monotonic() - began)
            if how == "silent":
                server.resume()
            else:
                await anyio.to_thread.run_sync(server.start)
            monkeypatch.undo()
            with anyio.fail_after(20):
                await a.send("b", "keep", 2, confirm=True)
            await until(lambda: {message.data for message in b.got.seen} >= {0, 2})
            with server.client() as client:
                await until(lambda: client.xlen("mas.gateway.ingress") == client.xlen("agent.stream:b") == 0)
                journal = [(message.data, message.message_id) for message in b.got.seen]
                report = check(client, (0, 2), journal, "b")
    assert share < 0.25
    # Who was told that it is unknown may have been heard.
    unknown = {"accepted": 2, "handled": 2, "forged": 0}
    assert report._replace(**unknown) == (2, 2, 0, 2, *[0] * 8), report
