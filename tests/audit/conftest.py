"""A sealer without a system around it, and a pen for records."""

import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from mas.audit import SCRIPTS, AuditTrail, Clerk, Counter, Events, Places, Sealer, Spec, Trail, chain
from mas.audit.access import outside_seals
from mas.clock import SYSTEM, Clock
from mas.keys import Keys
from mas.redis import Redis, open_redis
from mas.settings import AuditSettings
from tests.audit.trail import KEYRING, MACS, record

KEYS = Keys()


class Desk:
    """One deployment's audit, on a real Redis."""

    def __init__(self, redis: Redis, directory: Any, url: str) -> None:
        self.redis, self.directory, self.url = redis, directory, url
        self.places = Places.of(AuditSettings(), directory, directory, KEYS.namespace)
        self.events = Events(redis, KEYS, KEYRING, "test")
        self.counter = Counter("host-1", MACS[Trail.MESSAGES])
        self.chance = random.Random(1)
        self.trail = AuditTrail(redis, KEYS, KEYRING, self.events, self.places)

    async def write(self, count: int) -> None:
        """Append records as a gateway's commits would."""
        replies = []
        for _ in range(count):
            self.counter.begin_commit(time.time())
            written = record(self.counter, self.counter.take(), self.chance)
            replies.append(self.redis.post("XADD", KEYS.audit_messages, "*", *self.counter.fields(written)))
        for reply in replies:
            await reply.result()

    def clerk(self, **options: Any) -> Clerk:
        """Make one that wants a process at the second look that finds anything."""
        spec = Spec(
            redis_url=self.url,
            allow_plaintext=True,
            response_timeout=5,
            connect_timeout=5,
            namespace="",
            macs=MACS,
        )
        quick: dict[str, Any] = {"many": 1, "lasting": 0, "pause": 0.1}
        return Clerk(spec, **(quick | options))

    def sealer(
        self,
        *,
        clock: Clock = SYSTEM,
        suited: bool = True,
        clerk: Clerk | None = None,
        **settings: Any,
    ) -> Sealer:
        quick: dict[str, Any] = {"seal_interval": 0.1}
        chosen = AuditSettings(**(quick | settings))
        return Sealer(
            self.redis,
            KEYS,
            KEYRING,
            chosen,
            self.places,
            self.events,
            clock=clock,
            suited=suited,
            clerk=clerk,
        )

    @asynccontextmanager
    async def sealing(self, **settings: Any) -> AsyncGenerator[Sealer]:
        """Run a sealer; leaving the block lets it seal the rest and stop."""
        sealer = self.sealer(**settings)
        async with anyio.create_task_group() as tasks:
            await tasks.start(sealer.run)
            yield sealer
            tasks.cancel_scope.cancel()

    async def seal_all(self, **settings: Any) -> None:
        """Have everything sealed that is there."""
        async with self.sealing(**settings):
            await self.until_sealed()

    async def until_sealed(self) -> None:
        # Not by `stats`: whoever asks for them leaves a record, which is not sealed yet.
        async def sealed() -> bool:
            link = (await chain.tip(self.redis, KEYS)).link
            ends = link.seal.state.ends if link else {}
            for trail in Trail:
                newest = await self.redis.call("XREVRANGE", trail.stream(KEYS), "+", "-", "COUNT", 1)
                if newest and ends.get(trail) != newest[0][0].decode():
                    return False
            return True

        await self.until(sealed)

    async def until(self, holds: Callable[[], Awaitable[Any]]) -> None:
        """Return once that holds; another task or process sees to it."""
        with anyio.fail_after(20):
            while not await holds():
                await anyio.sleep(0.01)

    async def verify(self, **how: Any) -> Any:
        kept = self.places.seals
        how.setdefault("outside", outside_seals(kept) if kept.exists() else [])
        return await self.trail.verify(**how)

    async def raw(self, stream: str) -> list[Any]:
        found: list[Any] = await self.redis.call("XRANGE", stream, "-", "+")
        return found


@pytest.fixture
async def desk(redis_url: str, tmp_path: Any, anyio_backend: str) -> AsyncGenerator[Desk]:
    async with open_redis(redis_url, scripts=SCRIPTS) as redis:
        yield Desk(redis, tmp_path, redis_url)


@pytest.fixture
def project(redis_url, tmp_path, monkeypatch):
    """A configuration whose Redis holds 300 sealed records and 20 others."""
    (tmp_path / "agents.yaml").write_text(f"service_redis_url: {redis_url}\ndata_dir: {tmp_path}\n")
    monkeypatch.setenv("MAS_SECRET", "a secret that only tests have")

    async def prepare():
        async with open_redis(redis_url, scripts=SCRIPTS) as redis:
            desk = Desk(redis, tmp_path, redis_url)
            await desk.write(300)
            await desk.seal_all(seal_batch=50)
            await desk.write(20)

    anyio.run(prepare, backend="trio")
    return tmp_path
