"""Keep the dead letters in Redis within their bounds: the oldest move to a file, and then out of Redis.

One process at a time, however many could. The file is complete on the disk, and the trail says so, before
anything is trimmed: at any moment each letter is in Redis, in an archive, or in both.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.clock import SYSTEM, Clock
from mas.errors import RedisUnavailable
from mas.keys import Keys
from mas.letters.archive import Archived, archives_in, write_archive
from mas.log import logger
from mas.redis import Lease, Redis
from mas.retention import to_delete
from mas.settings import LetterSettings
from mas.threads import in_thread

log = logger(__name__)

INTERVAL: Final = 5.0
"""Seconds between two looks."""
_LEASE: Final = 4 * INTERVAL
_PAGE: Final = 500
_LARGEST: Final = 64_000_000  # bytes that go into one archive, or a page more
_MOST: Final = 20_000  # letters that do


class Archivist:
    """See the module.

    :param settings: asked at each look, so that bounds may change
    :param directory: where archives go
    :param audit: writes what was archived, and where, to the trail of security events
    :param alarm: told when nothing can be archived; then nothing is trimmed
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        settings: Callable[[], LetterSettings],
        directory: Path,
        *,
        audit: Callable[[str, str], Awaitable[None]],
        alarm: Callable[[str, str], None],
        clock: Clock = SYSTEM,
    ) -> None:
        self._redis, self._keys, self._settings, self._directory = redis, keys, settings, directory
        self._audit, self._alarm, self._clock = audit, alarm, clock
        self._lease = Lease(redis, keys.dead_letters_archiver, life=_LEASE)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Look whether letters must move, whenever the lease is ours, until cancelled."""
        task_status.started()
        while True:
            try:
                while ours := await self._lease.keep():
                    if not await self.retire():
                        break
                if ours:
                    await self.delete()
            except (RedisUnavailable, ResponseError) as error:
                log.warning("cannot look after the dead letters", problem=str(error))
            await self._clock.sleep(INTERVAL)

    async def retire(self) -> int:
        """Archive and trim what is too much or too old, one archive full; return how many letters moved.

        A tenth more goes with it, or archives would be tiny.
        """
        bounds = self._settings()
        surplus = await self._redis.call("XLEN", self._keys.dead_letters) - bounds.max_letters
        if surplus > 0:
            surplus += bounds.max_letters // 10
        now = self._clock.wall()
        oldest = await self._redis.call("XRANGE", self._keys.dead_letters, "-", "+", "COUNT", 1)
        stale = bool(oldest) and _at(oldest[0][0]) < now - bounds.max_age
        if surplus <= 0 and not stale:
            return 0
        letters = await self._oldest(surplus, now - bounds.max_age * 0.9 if stale else 0.0)
        try:
            path = await in_thread(write_archive, self._directory, letters)
        except OSError as error:
            self._alarm(self._keys.dead_letters, f"no dead letter can be archived: {error}")
            return 0
        await self._audit(str(path), f"archived {len(letters)} dead letters")
        for at in range(0, len(letters), _PAGE):
            some = [letter.id for letter in letters[at : at + _PAGE]]
            await self._redis.call("XDEL", self._keys.dead_letters, *some)
        log.info("dead letters archived", letters=len(letters), archive=str(path))
        return len(letters)

    async def delete(self) -> int:
        """Delete archives that are too old or too much, the trail saying so first; return how many."""
        bounds = self._settings()
        if bounds.archive_max_age is None and bounds.archive_max_bytes is None:
            return 0

        def look() -> list[Path]:
            return to_delete(
                archives_in(self._directory),
                max_age=bounds.archive_max_age,
                max_bytes=bounds.archive_max_bytes,
                now=self._clock.wall(),
            )

        try:
            gone = await in_thread(look)
            for path in gone:
                await self._audit(str(path), "deleted the archive: too old, or too much")
                await in_thread(partial(path.unlink, missing_ok=True))
                log.info("an archive of dead letters was deleted", archive=str(path))
        except OSError as error:
            self._alarm(self._keys.dead_letters, f"an archive cannot be deleted: {error}")
            return 0
        return len(gone)

    async def _oldest(self, count: int, before: float) -> list[Archived]:
        """Return so many of the oldest letters, and those older than a time, as far as one archive goes."""
        found: list[Archived] = []
        size, start = 0, "-"
        while len(found) < _MOST and size < _LARGEST:
            page = await self._redis.call("XRANGE", self._keys.dead_letters, start, "+", "COUNT", _PAGE)
            for entry, fields in page:
                if len(found) >= count and _at(entry) >= before:
                    return found
                stored = dict(zip(fields[::2], fields[1::2], strict=False)).get(b"letter", b"")
                # One that is no text is none that a gateway wrote.
                found.append(Archived(entry.decode(), stored.decode("utf-8", "backslashreplace")))
                size += len(stored)
            if len(page) < _PAGE:
                break
            start = f"({page[-1][0].decode()}"
        return found


def _at(entry: bytes) -> float:
    return int(entry.partition(b"-")[0]) / 1000
