"""The last records of a trail, and those that come after."""

from collections import deque
from collections.abc import AsyncGenerator, Iterable
from typing import Final

from mas.audit.door import View
from mas.audit.entry import Raw, order
from mas.audit.query import Filter, Found, opened
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
            news: list[tuple[Trail, Raw]] = []
            try:
                news = await self._news()
            except RedisUnavailable as error:
                # Told only after a pause: a connection also closes where we are about to be cancelled.
                await self._clock.sleep(_PAUSE)
                log.warning("waiting for redis, to go on with the trail", problem=str(error))
            for trail, entry in news:
                # What is no record is passed over, and gone past.
                self._ends[trail] = entry[0].decode()
                for found in self._matching(opened(trail, [entry])):
                    yield found
            if not news:
                await self._clock.sleep(_PAUSE)

    async def _news(self) -> list[tuple[Trail, Raw]]:
        """Return what came next in all trails, in the order of time."""
        news: list[tuple[Trail, Raw]] = []
        known_to = []
        for trail, end in self._ends.items():
            stream = trail.stream(self._view.keys)
            page = await self._view.redis.call("XRANGE", stream, f"({end}", "+", "COUNT", _PAGE)
            if len(page) == _PAGE:
                known_to.append(order(page[-1][0]))
            news += [(trail, entry) for entry in page]
        news.sort(key=lambda each: order(each[1][0]))
        horizon = min(known_to, default=None)
        return [each for each in news if horizon is None or order(each[1][0]) <= horizon]

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
