"""The real path, everything on: a system of two agents in this process."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import msgspec

from mas.agent import Agent, AgentMessage
from mas.bench.result import Result, counters, percentile
from mas.bench.scratch import NAMESPACE, swept
from mas.system import System, open_system


class Load(msgspec.Struct):
    """What the benchmark sends: the payload that its peers were measured with."""

    hello: str
    n: int
    pad: str = ""


class Source(Agent[dict[str, Any]]):
    """Sends."""


class Sink(Agent[dict[str, Any]]):
    """Counts what it is sent, answers what it is asked."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.sent: list[float] = []
        """When each message was sent, by its number."""
        self.latencies: list[float] = []
        self.expected = 0
        self.done = anyio.Event()

    def expect(self, messages: int) -> None:
        """Begin to count anew."""
        self.sent, self.latencies = [0.0] * messages, []
        self.expected, self.done = messages, anyio.Event()

    @Agent.on("bench.load", model=Load)
    async def take(self, _: AgentMessage, load: Load) -> None:
        """Count one."""
        self.latencies.append(time.perf_counter() - self.sent[load.n])
        if len(self.latencies) == self.expected:
            self.done.set()

    @Agent.on("bench.ask", model=Load)
    async def answer(self, message: AgentMessage, load: Load) -> None:
        """Answer one."""
        await message.reply("bench.answer", load)


async def run_one_way(url: str, messages: int, *, senders: int = 64, pad: int = 0) -> Result:
    """Send messages from one agent to another and return what it took until the last was handled.

    :param pad: bytes of padding in each payload
    """
    async with two_agents(url) as system:
        return await send_one_way(system, messages, senders=senders, pad=pad)


async def send_one_way(system: System, messages: int, *, senders: int = 64, pad: int = 0) -> Result:
    """Do as `run_one_way` does, in a system of `two_agents`."""
    source, sink = system.agent("source"), system.agent("sink")
    assert isinstance(sink, Sink)  # noqa: S101 - as configured below
    sink.expect(messages)
    padding, numbers = "x" * pad, iter(range(messages))

    async def send(count: int) -> None:
        for number in islice(numbers, count):
            sink.sent[number] = time.perf_counter()
            await source.send("sink", "bench.load", Load("world", number, padding))

    before = await counters(system.redis)
    began, cpu = time.perf_counter(), time.process_time()
    async with anyio.create_task_group() as crowd:
        for number in range(senders):
            crowd.start_soon(send, messages // senders + (number < messages % senders))
    await sink.done.wait()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    after = await counters(system.redis)
    return _result("one way", messages, took, cpu, sorted(sink.latencies), before, after)


async def run_round_trip(url: str, messages: int, *, in_flight: int = 1, pad: int = 0) -> Result:
    """Ask and be answered, so many at a time, and return what it took."""
    latencies: list[float] = []
    async with two_agents(url) as system:
        source = system.agent("source")
        padding = "x" * pad

        async def ask(count: int) -> None:
            for number in range(count):
                began = time.perf_counter()
                await source.request("sink", "bench.ask", Load("world", number, padding), timeout=60)
                latencies.append(time.perf_counter() - began)

        before = await counters(system.redis)
        began, cpu = time.perf_counter(), time.process_time()
        async with anyio.create_task_group() as crowd:
            for number in range(in_flight):
                crowd.start_soon(ask, messages // in_flight + (number < messages % in_flight))
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        after = await counters(system.redis)
    latencies.sort()
    return _result(f"round trip, {in_flight} in flight", messages, took, cpu, latencies, before, after)


@asynccontextmanager
async def two_agents(url: str) -> AsyncGenerator[System]:
    """Run a system of a source and a sink, in a namespace that it leaves empty."""
    with TemporaryDirectory() as directory:
        config = {
            "service_redis_url": url,
            "data_dir": str(Path(directory) / "data"),
            "namespace": NAMESPACE,
            "permissions": [{"type": "allow", "from": ["source"], "to": ["sink"]}],
            "agents": [
                {"agent_id": "sink", "class_path": Sink},
                {"agent_id": "source", "class_path": Source},
            ],
        }
        # The next one has another secret, and would trust nothing of what it found.
        async with swept(url), open_system(config, environ={}) as system:
            yield system


def _result(
    name: str,
    messages: int,
    took: float,
    cpu: float,
    latencies: list[float],
    before: tuple[int, int],
    after: tuple[int, int],
) -> Result:
    return Result(
        name,
        messages,
        took,
        cpu,
        percentile(latencies, 0.5),
        percentile(latencies, 0.99),
        (after[0] - before[0]) / messages,
        (after[1] - before[1]) / messages,
    )
