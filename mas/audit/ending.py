"""The last records of a trail, and those that come after."""

from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Final

from mas.audit.door import View
from mas.audit.entry import order
from mas.audit.query import Filter, Found, opened
from mas.audit.source import read_after
from mas.audit.trails import Trail
from mas.clock import Clock
from mas.errors import RedisUnavailable
from mas.log import logger

log = logger(__name__)

_PAGE: Final = 1000
_PAUSE: Final = 0.25  # seconds between two looks


class Ending:
    """See the module.

    :param wanted: what else is passed over
    """

    def __init__(self, view: View, wanted: Filter, clock: Clock) -> None:
        self._view, self._wanted, self._clock = view, wanted, clock
        self._ends = dict.fromkeys([wanted.trail] if wanted.trail else list(Trail), "0-0")

    async def last(self, count: int) -> list[Found]:
        """Return the last matching records of each trail, oldest first.

        :param count: how many of each trail at most
        """
        found: list[Found] = []
        for trail in self._ends:
            found += await self._last_of(trail, count)
        return sorted(found, key=lambda each: order(each.id))

    async def follow(self) -> AsyncGenerator[Found]:
        """Yield the matching records that came after `last`, and those that come, until cancelled.

        A Redis that is away is waited for, and what it holds when it is back is gone on with.
        """
        while True:
            try:
                for trail, end in self._ends.items():
                    async with aclosing(read_after(self._view.redis, self._view.keys, trail, end)) as pages:
                        async for page in pages:
                            self._ends[trail] = page[-1][0].decode()
                            for each in self._matching(opened(trail, page)):
                                yield each
            except RedisUnavailable as error:
                log.warning("waiting for redis, to go on with the trail", problem=str(error))
            await self._clock.sleep(_PAUSE)

    async def _last_of(self, trail: Trail, count: int) -> Iterable[Found]:
        """Read one trail from its end on backward, until there is enough."""
        found: deque[Found] = deque()
        position, first = "+", True
        while True:
            # The very last entry is asked for even where none is to be shown: what comes follows it.
            page = await self._view.redis.call(
                "XREVRANGE", trail.stream(self._view.keys), position, "-", "COUNT", _PAGE if count else 1
            )
            if not page:
                return found
            if first:
                self._ends[trail], first = page[0][0].decode(), False
            for each in self._matching(opened(trail, page)):
                if len(found) == count:
                    return found
                found.appendleft(each)
            if len(found) >= count:
                return found
            position = f"({page[-1][0].decode()}"

    def _matching(self, found: Iterable[Found]) -> Iterable[Found]:
        return (each for each in found if self._wanted.matches(each))
