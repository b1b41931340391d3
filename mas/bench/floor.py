"""What the machine allows: append, forward, receive, with nothing decided on the way.

The same sockets, streams and groups as the real path, in the same process; no proof, policy, audit or
seal, no retry, no agent. The real path is measured against it, for the machine's speed drifts.
"""

import time

import anyio

from mas.bench.result import Result, counters, percentile
from mas.bench.scratch import NAMESPACE, swept
from mas.bus import ensure_group, entries_of
from mas.redis import Redis, Reply, open_redis

_BATCH = 64
_READ_AHEAD = 256
_INGRESS, _DELIVERY = f"{NAMESPACE}:floor:ingress", f"{NAMESPACE}:floor:delivery"


async def run_floor(url: str, messages: int, *, senders: int = 64, size: int = 100) -> Result:
    """Move messages through two streams and return what it took.

    :param size: bytes of each message
    """
    body = b"x" * size
    received: list[float] = []
    sent: dict[bytes, float] = {}
    done = anyio.Event()
    async with (
        swept(url),
        open_redis(url) as sending,
        open_redis(url, blocking=1) as forwarding,
        open_redis(url, blocking=1) as receiving,
    ):
        for stream in (_INGRESS, _DELIVERY):
            await sending.call("DEL", stream)
            await ensure_group(sending, stream, "bench")

        async def send(count: int) -> None:
            for _ in range(count):
                began = time.perf_counter()
                entry = await sending.call("XADD", _INGRESS, "*", "envelope", body)
                sent[entry] = began

        async def forward() -> None:
            reply = _read(forwarding, _INGRESS, _BATCH)
            while True:
                entries = list(entries_of(await reply.result()))
                for entry in entries:
                    forwarding.post("XADD", _DELIVERY, "*", "envelope", body, "of", entry.id)
                _settle(forwarding, _INGRESS, [entry.id for entry in entries])
                reply = _read(forwarding, _INGRESS, _BATCH)

        async def receive() -> None:
            while len(received) < messages:
                entries = list(entries_of(await _read(receiving, _DELIVERY, _READ_AHEAD).result()))
                now = time.perf_counter()
                received.extend(now - sent.get((entry.fields or [])[3], now) for entry in entries)
                _settle(receiving, _DELIVERY, [entry.id for entry in entries])
            done.set()

        before = await counters(sending)
        began, cpu = time.perf_counter(), time.process_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(forward)
            tasks.start_soon(receive)
            async with anyio.create_task_group() as crowd:
                for number in range(senders):
                    crowd.start_soon(send, messages // senders + (number < messages % senders))
            await done.wait()
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
            tasks.cancel_scope.cancel()
        after = await counters(sending)
    received.sort()
    return Result(
        "floor",
        messages,
        took,
        cpu,
        percentile(received, 0.5),
        percentile(received, 0.99),
        (after[0] - before[0]) / messages,
        (after[1] - before[1]) / messages,
    )


def _read(redis: Redis, stream: str, count: int) -> Reply:
    return redis.post(
        "XREADGROUP", "GROUP", "bench", "bench", "COUNT", count, "BLOCK", 1000, "STREAMS", stream, ">"
    )


def _settle(redis: Redis, stream: str, ids: list[bytes]) -> None:
    if ids:
        redis.post("XACK", stream, "bench", *ids)
        redis.post("XDEL", stream, *ids)
