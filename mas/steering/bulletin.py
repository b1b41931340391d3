"""Put a runner's tree up in Redis, for whoever wants to see it."""

import re
import secrets
import socket
from collections.abc import Callable

import anyio
import msgspec
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.errors import RedisUnavailable
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis
from mas.steering.words import Runner
from mas.trust import Keyring, protect

log = logger(__name__)

LIFE = 15.0
"""Seconds a runner counts as running after its last sign of life."""
INTERVAL = 5.0
"""Seconds between signs of life when nothing changes."""
_BREATH = 0.25
"""Seconds between two when much does."""


def new_runner_name() -> str:
    """Mint what a runner is called: its host and something that tells it from others there."""
    readable = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:100].strip("-._") or "runner"
    return f"{readable}-{secrets.token_hex(3)}"


class Bulletin:
    """A runner's tree in Redis, never older than `INTERVAL`, and gone `LIFE` after the runner.

    :param look: returns the runner as it is now
    """

    def __init__(
        self, redis: Redis, keys: Keys, keyring: Keyring, runner: str, look: Callable[[], Runner]
    ) -> None:
        self._redis, self._keys, self._keyring = redis, keys, keyring
        self._runner, self._look = runner, look
        self._place = keys.runner(runner)
        self._changed = anyio.Event()

    def changed(self) -> None:
        """Note that the tree looks different now."""
        self._changed.set()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep it up until cancelled, then take it down; an unreachable Redis is waited out."""
        task_status.started()
        try:
            await self._forget_the_dead()
            while True:
                self._changed = anyio.Event()
                await self._put_up_patiently()
                await anyio.sleep(_BREATH)
                with anyio.move_on_after(INTERVAL - _BREATH):
                    await self._changed.wait()
        finally:
            with anyio.move_on_after(1, shield=True):
                await self._take_down()

    async def put_up(self) -> None:
        """Put it up as it is now.

        :raises RedisUnavailable: if Redis does not answer
        """
        body = msgspec.json.encode(self._look())
        listed = self._redis.post("SADD", self._keys.runners, self._runner)
        # Where none runs any more, nobody is left to take the names of those that were killed off it.
        self._redis.post("PEXPIRE", self._keys.runners, int(LIFE * 1000))
        stored = protect(self._keyring.record, self._place, body)
        await self._redis.call("SET", self._place, stored, "PX", int(LIFE * 1000))
        await listed.result()

    async def _put_up_patiently(self) -> None:
        try:
            await self.put_up()
        except (RedisUnavailable, ResponseError) as error:
            log.warning("cannot tell how the supervision tree looks", problem=str(error))

    async def _forget_the_dead(self) -> None:
        try:
            for name in await self._redis.call("SMEMBERS", self._keys.runners):
                if not await self._redis.call("EXISTS", self._keys.runner(name.decode("utf-8", "replace"))):
                    await self._redis.call("SREM", self._keys.runners, name)
        except (RedisUnavailable, ResponseError) as error:
            log.warning("cannot look for runners that died", problem=str(error))

    async def _take_down(self) -> None:
        try:
            await self._redis.call("DEL", self._place)
            await self._redis.call("SREM", self._keys.runners, self._runner)
        except (RedisUnavailable, ResponseError):
            log.debug("could not take the bulletin down; it expires by itself")
