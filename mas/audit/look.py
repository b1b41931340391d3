"""One look at what is new in a trail: read page by page, and examined."""

from typing import Any, Final

import msgspec

from mas.audit.draft import Draft, Examined
from mas.audit.trails import Trail
from mas.keys import Keys
from mas.redis import Redis, Reply

# Records read and examined before others of this process have their turn. Of an answer with more of them
# than this, Python's garbage collector takes so much notice that it costs more than their examination.
_PAGE: Final = 250


class Seen(msgspec.Struct, frozen=True):
    """What a look found."""

    examined: Examined | None
    """None if nothing was new."""
    all: bool
    """Whether nothing is left."""
    length: int
    """Records in the trail, the old ones included."""


class Look:
    """A look that has begun: its first question is on its way to Redis as soon as it is made.

    :param after: the last entry seen before
    :param most: records to be taken
    """

    def __init__(self, redis: Redis, keys: Keys, trail: Trail, after: str, most: int) -> None:
        self._redis, self._stream, self._left = redis, trail.stream(keys), most
        self._page = self._ask(after)

    async def seen(self, draft: Draft) -> Seen:
        """Read and examine.

        :param draft: an empty one, which knows of the runs what was sealed of them in any trail
        :raises RedisUnavailable: as `Redis.call` does
        """
        found = False
        while True:
            wanted, reply, counted = self._page
            entries: list[Any] = await reply.result()
            length: int = await counted.result()
            self._left -= len(entries)
            if len(entries) == wanted and self._left:
                # It is on its way while this one is examined.
                self._page = self._ask(entries[-1][0].decode())
            if entries:
                found = True
                draft.examine(entries)
            if len(entries) < wanted or not self._left:
                return Seen(draft.examined() if found else None, len(entries) < wanted, length)

    def _ask(self, after: str) -> tuple[int, Reply, Reply]:
        """Ask for the next records, and how many there are in all."""
        count = min(_PAGE, self._left)
        entries = self._redis.post("XRANGE", self._stream, f"({after}", "+", "COUNT", count)
        return count, entries, self._redis.post("XLEN", self._stream)
