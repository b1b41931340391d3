"""Hand each seal to the sink, in order, a second late at most; what fails waits in Redis.

Several go out together: a sink sees its lines safely on a disk, or starts a command, and either costs more
than a seal does.
"""

from typing import Final

import anyio

from mas.audit.archive import AT_ONCE
from mas.audit.events import Events
from mas.audit.lines import SEALS, write_line
from mas.audit.seal import Sealed
from mas.audit.sink import FileSink, Sink
from mas.clock import Clock
from mas.keys import Keys
from mas.redis import Redis

_APART: Final = 1.0  # seconds from one time to the next, at least


class Handout:
    """See the module.

    :param sink: None to hand out nothing
    """

    def __init__(self, redis: Redis, keys: Keys, sink: Sink | None, events: Events, clock: Clock) -> None:
        self._redis, self._keys, self._sink, self._events, self._clock = redis, keys, sink, events, clock
        self._from: bytes | None = None
        self._next = 0.0

    async def take_up(self, last: Sealed | None) -> Sealed | None:
        """Find where to go on; return the seal that the sink has got last, where it can tell.

        :param last: the last link of the chain
        """
        outside = await anyio.to_thread.run_sync(self._sink.last) if self._sink else None
        if isinstance(self._sink, FileSink):
            self._from = b"(" + outside.signed.id if outside else b"-"
        elif self._from is None:
            # The last one may not have reached the sink when its sealer died.
            self._from = last.signed.id if last else b"-"
        self._next = 0.0
        return outside

    async def go_on(self) -> None:
        """Hand out what the sink has not had, unless some was handed out just now."""
        if self._clock.monotonic() >= self._next:
            await self.finish()

    async def finish(self) -> None:
        """Hand out all that the sink has not had; if it fails, the rest waits in Redis."""
        if self._sink is None or self._from is None:
            return
        while page := await self._redis.call(
            "XRANGE", self._keys.audit_seals, self._from, "+", "COUNT", AT_ONCE
        ):
            try:
                await self._sink.put([write_line(SEALS, entry) for entry in page])
            except OSError as error:
                self._events.alarm("audit.sink", f"seals cannot be written outside redis: {error}")
                break
            self._from = b"(" + page[-1][0]
            if len(page) < AT_ONCE:
                break
        self._next = self._clock.monotonic() + _APART
