"""How fast a trail is verified, beside how fast Redis hands it out in the same run."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import anyio

from mas.audit import SCRIPTS, AuditRecord, AuditTrail, Counter, Events, Places, Sealer, Trail, trail_key
from mas.bench.result import Result, counters
from mas.bench.scratch import NAMESPACE, swept
from mas.decision import Decision
from mas.ids import new_message_id
from mas.keys import Keys
from mas.redis import Redis, open_redis
from mas.settings import AuditSettings
from mas.trust import Keyring

_COMMIT = 64
_AT_ONCE = 250
_LOOK = 0.02
"""Seconds between two looks at how much is sealed."""


class Proof(NamedTuple):
    """The two runs; of both, `messages` are records."""

    reading: Result
    """The trail read as it lies in Redis, nothing done with it."""
    verifying: Result


async def run_verify(url: str, records: int) -> Proof:
    """Write a trail, have it sealed, and return what reading it took, and what verifying it.

    :raises AssertionError: if it is not found intact
    """
    keys, keyring = Keys(NAMESPACE), Keyring(b"of a benchmark and nothing else")
    settings = AuditSettings(max_records=records * 2, seal_interval=0.1)
    async with swept(url), open_redis(url, scripts=SCRIPTS) as redis:
        with TemporaryDirectory() as directory:
            places = Places.of(settings, Path(directory), Path(directory), keys.namespace)
            events = Events(redis, keys, keyring, "bench")
            await _write(redis, keys, keyring, records)
            async with anyio.create_task_group() as tasks:
                await tasks.start(Sealer(redis, keys, keyring, settings, places, events).run)
                sealed = 0
                while sealed < records:
                    await anyio.sleep(_LOOK)
                    sealed = int(await redis.call("HGET", keys.audit_sealed, Trail.MESSAGES) or 0)
                tasks.cancel_scope.cancel()
            reading = await _read(redis, keys, records)
            before = await counters(redis)
            began, cpu = time.perf_counter(), time.process_time()
            report = await AuditTrail(redis, keys, keyring, events, places).verify()
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
            after = await counters(redis)
    if not report.intact or report.sealed < records:
        raise AssertionError(report)
    return Proof(reading, _result("verify", records, took, cpu, before, after))


async def _write(redis: Redis, keys: Keys, keyring: Keyring, records: int) -> None:
    counter = Counter("bench-1", trail_key(keyring, keys.audit_messages))
    for at in range(0, records, _COMMIT):
        counter.begin_commit(time.time())
        count = min(_COMMIT, records - at)
        written = [
            AuditRecord(
                counter.gateway,
                counter.run,
                counter.commit,
                counter.take(),
                Decision.ALLOWED,
                "source",
                "0123456789abcdef",
                "1700000000000-0",
                "sink",
                "bench.load",
                new_message_id(),
                rule="permissions[0] allow",
                policy="0123456789abcdef0123456789abcdef",
                digest="0123456789abcdef0123456789abcdef",
                size=236,
            )
            for _ in range(count)
        ]
        replies = [
            redis.post("XADD", keys.audit_messages, "*", *counter.fields(record)) for record in written
        ]
        await replies[-1].result()


async def _read(redis: Redis, keys: Keys, records: int) -> Result:
    before = await counters(redis)
    began, cpu = time.perf_counter(), time.process_time()
    position = "-"
    while page := await redis.call("XRANGE", keys.audit_messages, position, "+", "COUNT", _AT_ONCE):
        position = f"({page[-1][0].decode()}"
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    return _result("read", records, took, cpu, before, await counters(redis))


def _result(
    name: str, records: int, took: float, cpu: float, before: tuple[int, int], after: tuple[int, int]
) -> Result:
    commands, trips = ((b - a) / records for a, b in zip(before, after, strict=True))
    return Result(name, records, took, cpu, 0.0, 0.0, commands, trips)
