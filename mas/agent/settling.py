"""What an inbox holds: renewed while it is held, settled in groups when it is done.

A settlement is posted and not waited for. One whose answer never came is repeated when the entry is
met again: what was done is remembered by its seal, so that no copy of it is handled a second time.
"""

from contextlib import suppress

import anyio
from redis.exceptions import RedisError

from mas.agent.delivery import Delivery
from mas.bus import Claims
from mas.clock import Clock
from mas.errors import RedisUnavailable
from mas.redis import Reply

_GROUP_SIZE = 64
_REMEMBERED = 5_000
"""Settled messages an instance remembers, at least, and twice that at most; older copies are refused by
their seal's expiry alone."""


class Settling:
    """The deliveries of one instance between read and settlement.

    :param stream: the one that all instances share
    :param lease: seconds an entry stays ours without renewal
    """

    def __init__(self, claims: Claims, stream: str, lease: float, clock: Clock) -> None:
        self._claims, self._stream, self._lease, self._clock = claims, stream, lease, clock
        self._held: dict[bytes, tuple[bytes, float]] = {}
        """By entry: its seal, and when it was last known to be ours."""
        self._under_way: set[bytes] = set()
        """The seals of what is held."""
        self._done: list[bytes] = []
        self._settled: set[bytes] = set()
        self._settled_before: set[bytes] = set()
        self._good_until = float("inf")
        """Until when all that is done is known to be ours."""
        self._unsettled: list[tuple[str, list[bytes]]] = []
        """What is done and to be settled with a look: refused by Redis, or perhaps not ours any more."""
        self._posted: list[tuple[Reply, str, list[bytes]]] = []
        self._one_at_a_time = anyio.Lock(fast_acquire=True)

    def hold(self, delivery: Delivery, now: float) -> bool:
        """Take charge of a delivery; False for a copy of one that was met before.

        A copy is settled, not handled. The very entry that is held already, read again because its group
        was made anew, is left as it is.

        :param now: monotonic seconds
        """
        if delivery.entry in self._held:
            return False
        if (
            delivery.seal in self._settled
            or delivery.seal in self._settled_before
            or delivery.seal in self._under_way
        ):
            self._done.append(delivery.entry)
            self.flush()
            return False
        self._held[delivery.entry] = (delivery.seal, now)
        self._under_way.add(delivery.seal)
        return True

    def holds(self, entry: bytes) -> bool:
        """Say whether an entry is in charge already."""
        return entry in self._held

    def done(self, entry: bytes) -> None:
        """Settle an entry with the next group."""
        held = self._held.pop(entry, None)
        if held is not None:
            self._good_until = min(self._good_until, held[1] + self._lease)
            self._under_way.discard(held[0])
            self._settled.add(held[0])
            if len(self._settled) >= _REMEMBERED:
                # Two generations instead of a queue: forgetting the oldest half costs nothing a message.
                self._settled_before, self._settled = self._settled, set()
        self._done.append(entry)
        if len(self._done) >= _GROUP_SIZE:
            self.flush()

    async def count_start(self, entry: bytes) -> int:
        """Count a handler's start that is about to happen and return how many that makes; 0 if not ours."""
        return await self._claims.attempt(self._stream, entry)

    async def hand_back(self, entries: list[bytes], ring: str, *, started: bool) -> None:
        """Leave entries to others at once; of no answer, these find them when the lease has lapsed.

        :param started: whether a handler was ever started on them; if not, none is counted
        """
        for entry in entries:
            # Or it would be renewed.
            self.release(entry)
        with suppress(RedisError, RedisUnavailable):
            await self._claims.hand_back(self._stream, entries, ring, lease=self._lease, started=started)

    def release(self, entry: bytes) -> None:
        """Forget an entry that is not ours any more."""
        if (held := self._held.pop(entry, None)) is not None:
            self._under_way.discard(held[0])

    def flush(self) -> None:
        """Post what is done."""
        if not self._done:
            return
        done, self._done = self._done, []
        good_until, self._good_until = self._good_until, float("inf")
        if self._claims.bare and self._clock.monotonic() > good_until - self._lease / 4:
            self._unsettled.append((self._stream, done))
        else:
            self._post(self._stream, done)

    def settle_answers(self, stream: str, entries: list[bytes]) -> None:
        """Post the settlement of entries of the instance's own stream."""
        self._post(stream, entries)

    def needs_care(self, now: float) -> bool:
        """Post what is done, and say whether there is something to `tend`.

        :param now: monotonic seconds
        """
        self.flush()
        if self._posted:
            self._look_at_answers()
        if not self._held:  # as nearly always in nearly all of a thousand agents
            return bool(self._unsettled)
        return bool(self._unsettled) or any(now - since > self._lease / 3 for _, since in self._held.values())

    async def tend(self) -> None:
        """Renew what has been held for a third of its lease; let go of what turned out to be lost.

        Settle with a look first what is done and may not be ours any more, and again what Redis refused to
        settle, as after SCRIPT FLUSH. What a lost connection swallowed is not repeated here: it is found
        in the backlog.
        """
        now = self._clock.monotonic()
        due = [entry for entry, (_, since) in self._held.items() if now - since > self._lease / 3]
        if due:
            lost = set(await self._claims.renew(self._stream, due))
            for entry in due:
                if entry in lost:
                    self.release(entry)
                elif entry in self._held:
                    self._held[entry] = (self._held[entry][0], now)
        await self._settle_refused()

    async def _settle_refused(self) -> None:
        self._look_at_answers()
        if not self._unsettled:
            return
        # A stop comes here while the inbox may be at it.
        async with self._one_at_a_time:
            while self._unsettled:
                # Kept until it is settled: with no group it is refused again, and lost were it dropped.
                await self._claims.settle(*self._unsettled[0])
                del self._unsettled[0]

    def _look_at_answers(self) -> None:
        """Forget what is settled, and note what Redis refused to settle."""
        still_due, self._posted = self._posted, []
        for reply, stream, entries in still_due:
            if not reply.done:
                self._posted.append((reply, stream, entries))
                continue
            try:
                reply.get()
            except RedisUnavailable:
                continue
            except RedisError:
                self._unsettled.append((stream, entries))

    async def confirmed(self) -> None:
        """Wait until every posted settlement has its answer; settle once more what was refused."""
        for reply, _, _ in self._posted:
            with suppress(RedisError, RedisUnavailable):
                await reply.result()
        with suppress(RedisError, RedisUnavailable):
            await self._settle_refused()

    def _post(self, stream: str, entries: list[bytes]) -> None:
        reply = self._claims.post_settlement(stream, entries)
        self._posted.append((reply, stream, entries))
