"""A revoke holds in every process, in Redis, and on this machine's disk; each mends the others.

What holds: a revoke outlives every restart, and FLUSHALL too, wherever one such keeper had seen it. What
does not: a revoke that no keeper saw before Redis lost it, or whose every keeper lost its disk.
"""

import anyio
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.clock import SYSTEM, Clock
from mas.directory import Tombstones, read_tombstone
from mas.errors import IntegrityError, RedisUnavailable
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis, Subscriber
from mas.registry.alarm import Alarm, log_alarm
from mas.registry.revocation import bury
from mas.registry.tombstone_file import TombstoneFile
from mas.threads import in_thread
from mas.trust import Keyring

log = logger(__name__)

INTERVAL = 2.0
"""Seconds between two looks; an event is followed at once."""


class TombstoneKeeper:
    """Keeps one process's tombstones, those of Redis and those of the disk the same.

    :param tombstones: what the process asks; filled before this is ready
    :param file: None where nothing is kept on disk
    :param alarm: told what is not as it must be: where, and the problem
    """

    def __init__(
        self,
        redis: Redis,
        subscriber: Subscriber,
        keys: Keys,
        keyring: Keyring,
        tombstones: Tombstones,
        file: TombstoneFile | None,
        *,
        alarm: Alarm = log_alarm,
        clock: Clock = SYSTEM,
    ) -> None:
        self._redis, self._subscriber, self._keys, self._keyring = redis, subscriber, keys, keyring
        self._tombstones, self._file, self._clock = tombstones, file, clock
        self._alarm = alarm
        self._told = anyio.Event()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep them until cancelled; ready once disk and Redis have been read."""
        if self._file is not None:
            for tombstone in await in_thread(self._file.load):
                self._tombstones.learn(tombstone)
        self._subscriber.listen(self._keys.system, self._hear)
        try:
            await self.reconcile()
            task_status.started()
            while True:
                with self._clock.move_on_after(INTERVAL):
                    await self._told.wait()
                self._told = anyio.Event()
                try:
                    await self.reconcile()
                except (RedisUnavailable, ResponseError) as error:
                    log.warning("cannot look after the tombstones", problem=str(error))
        finally:
            self._subscriber.ignore(self._keys.system, self._hear)

    async def reconcile(self) -> None:
        """Learn what Redis knows better, put back what it lost, and keep what is new on disk."""
        flat = await self._redis.call("HGETALL", self._keys.tombstones)
        found = {
            name.decode("utf-8", "replace"): value for name, value in zip(flat[::2], flat[1::2], strict=True)
        }
        news = False
        for field, stored in found.items():
            try:
                news |= self._tombstones.learn(
                    read_tombstone(self._keyring.record, self._keys, field, stored)
                )
            except IntegrityError as error:
                self._alarm(error.what, error.problem)
        if news and self._file is not None:
            try:
                await in_thread(self._file.keep, list(self._tombstones))
            except OSError as error:
                log.error("tombstones cannot be kept on disk", problem=str(error))  # noqa: TRY400 - told plainly
        for tombstone in self._tombstones:
            stored = found.get(tombstone.field, b"")
            if not self._stands(tombstone.field, tombstone.at, stored):
                self._alarm(f"tombstone of {tombstone.field}", "it was gone from redis, and is put back")
                await bury(self._redis, self._keys, self._keyring, tombstone, seen=stored)

    def _stands(self, field: str, at: float, stored: bytes) -> bool:
        try:
            return read_tombstone(self._keyring.record, self._keys, field, stored).at >= at
        except IntegrityError:
            return False

    def _hear(self, _: bytes | None) -> None:
        self._told.set()
