"""Which gateway am I, and am I still it?

Consumer names are stable, so that a gateway that comes back finds its own backlog: on each host the
first free of `host-1`, `host-2`, ... A name is held by a key with a short life; whoever finds the key
gone may take that gateway's entries.
"""

import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from redis.exceptions import ResponseError

from mas.errors import RedisUnavailable
from mas.keys import Keys
from mas.log import logger
from mas.redis import Lease, Redis

LEASE = 1.5
"""Seconds a name stays taken after its gateway's last sign of life."""
RENEWAL = 0.4
"""Seconds between signs of life."""

log = logger(__name__)


class NameLost(Exception):
    """Another gateway took this one's name: it was silent for too long."""


class Name:
    """A gateway's name, held for as long as `hold` runs."""

    def __init__(self, redis: Redis, keys: Keys, host: str | None = None) -> None:
        self._redis, self._keys = redis, keys
        self._host = re.sub(r"[^A-Za-z0-9_.-]", "-", host or socket.gethostname()).strip("-._") or "gateway"
        self.value = ""

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[str]:
        """Take the first free name of this host; give it back at the end.

        :raises NameLost: inside the block, when the name could not be kept
        """
        self.value = await self._take()
        await self._redis.call("SADD", self._keys.gateways, self.value)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._renew)
            try:
                yield self.value
            finally:
                tasks.cancel_scope.cancel()
                with anyio.move_on_after(1, shield=True):
                    await self._let_go()

    async def _take(self) -> str:
        for number in range(1, 10_000):
            name = f"{self._host[:100]}-{number}"
            self._lease = Lease(self._redis, self._keys.gateway_lease(name), life=LEASE)
            if await self._lease.keep():
                return name
        raise NameLost(f"{self._host} runs ten thousand gateways")

    async def _renew(self) -> None:
        while True:
            await anyio.sleep(RENEWAL)
            try:
                kept = await self._lease.keep()
            except (RedisUnavailable, ResponseError):
                # Away, or without memory. Nothing can be committed meanwhile either; the fence decides if the
                # name is gone after.
                continue
            if not kept:
                raise NameLost(self.value)

    async def _let_go(self) -> None:
        try:
            await self._lease.let_go()
        except RedisUnavailable:
            log.warning("could not give the gateway's name back; it expires by itself", gateway=self.value)
