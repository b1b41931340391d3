"""Hand each seal to the sink, in order, a second late at most; what fails waits in Redis.

Several go out together: a sink sees its lines safely on a disk, or starts a command, and either costs more
than a seal does. Beside the sealing and not in it: a sink that takes its time holds up no seal.
"""

import re
from typing import Final

import anyio
from redis.exceptions import ResponseError

from mas.audit.archive import AT_ONCE
from mas.audit.entry import order
from mas.audit.events import Events
from mas.audit.lines import SEALS, write_line
from mas.audit.seal import Sealed
from mas.audit.sink import FileSink, Sink
from mas.clock import Clock
from mas.errors import RedisUnavailable
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis
from mas.threads import in_thread

log = logger(__name__)

_APART: Final = 1.0  # seconds from one time to the next, at least
_HANDED: Final = "handed"
"""Field of the hash of what is sealed: the last seal that a sink took which keeps no account itself."""
_is_id = re.compile(rb"\d{1,20}-\d{1,20}", re.ASCII).fullmatch


class Handout:
    """See the module.

    :param sink: None to hand out nothing
    """

    def __init__(self, redis: Redis, keys: Keys, sink: Sink | None, events: Events, clock: Clock) -> None:
        self._redis, self._keys, self._sink, self._events, self._clock = redis, keys, sink, events, clock
        self._from: bytes | None = None
        self._next = 0.0
        self._due, self._one_at_a_time = anyio.Event(), anyio.Lock()

    async def take_up(self, last: Sealed | None) -> Sealed | None:
        """Find where to go on; return the seal that the sink has got last, where it can tell.

        :param last: the last link of the chain
        """
        outside = None
        if isinstance(self._sink, FileSink):
            async with self._one_at_a_time:
                outside = await in_thread(self._sink.last)
                self._from = b"(" + outside.signed.id if outside else b"-"
        elif self._sink is not None and self._from is None:
            self._from = await self._left_off(last)
        self._next = 0.0
        return outside

    async def _left_off(self, last: Sealed | None) -> bytes:
        """Return from where on nobody knows that the sink has got it: from the last link at the latest."""
        handed = await self._redis.call("HGET", self._keys.audit_sealed, _HANDED) or b""
        if last is None:
            return b"-"
        if _is_id(handed) and order(handed) < order(last.signed.id):
            return b"(" + bytes(handed)
        # It may not have reached the sink when its sealer died.
        return last.signed.id

    def go_on(self) -> None:
        """Have `run` hand out what the sink has not had, unless some was handed out just now."""
        if self._clock.monotonic() >= self._next and not self._one_at_a_time.locked():
            self._due.set()

    async def run(self) -> None:
        """Hand out whenever that is due, until cancelled."""
        while True:
            await self._due.wait()
            self._due = anyio.Event()
            try:
                await self.finish()
            except (RedisUnavailable, ResponseError) as error:
                log.warning("seals wait to be handed out", problem=str(error))

    async def finish(self) -> None:
        """Hand out all that the sink has not had; if it fails, the rest waits in Redis.

        :raises RedisUnavailable: if Redis does not answer
        :raises redis.exceptions.ResponseError: if Redis refuses
        """
        async with self._one_at_a_time:
            try:
                await self._put_all()
            finally:
                self._next = self._clock.monotonic() + _APART

    async def _put_all(self) -> None:
        if self._sink is None or self._from is None:
            return
        while page := await self._redis.call(
            "XRANGE", self._keys.audit_seals, self._from, "+", "COUNT", AT_ONCE
        ):
            try:
                await self._sink.put([write_line(SEALS, entry) for entry in page])
            except OSError as error:
                self._events.alarm("audit.sink", f"seals cannot be written outside redis: {error}")
                return
            self._from = b"(" + page[-1][0]
            if not isinstance(self._sink, FileSink):
                self._redis.post("HSET", self._keys.audit_sealed, _HANDED, page[-1][0])
            if len(page) < AT_ONCE:
                return
