"""What a consumer does with the entries it holds; in two ways, by what its Redis user may do.

`FencedClaims` asks who owns an entry and acts on it in one script. `BareClaims` has no right to scripts
and takes two steps: it looks (XPENDING), and acts only on what nobody can have taken meanwhile. An entry
changes hands when it has been idle for a whole lease, so one that was idle for less at the look is ours
until the rest has passed; and XCLAIM with the idle time that was seen as its minimum claims nothing that
somebody else claimed since. What is left is a process that stands still for a lease between look and
deed: it may then settle, after having handled it, what another one handles as well.
"""

from collections.abc import Sequence
from typing import Protocol

import anyio
from redis.exceptions import ResponseError

from mas.bus.backlog import Held, backlog
from mas.bus.groups import OWN_GROUP
from mas.bus.lease import ATTEMPT, HAND_BACK, HANDED_BACK, RENEW
from mas.bus.settle import SETTLE
from mas.redis import Redis, Reply

_MOST = 1_000
"""Entries looked at in one command."""
_PAUSE = 0.2
"""Seconds between two looks for a group that is not there yet."""


class Claims(Protocol):
    """One consumer's dealings with what it holds; entries are named by their ids."""

    bare: bool
    """Whether a settlement must not be posted for an entry whose lease may have lapsed."""

    async def ensure_groups(self, shared: str, own: str, enrolment: str) -> bool:
        """See to it that the consumer's group exists on both streams; False while there can be none.

        :param enrolment: the key whose presence says that the consumer is enrolled: without it no stream is
            made, or nobody would end it
        """
        ...

    def post_settlement(self, stream: str, entries: Sequence[bytes]) -> Reply:
        """Acknowledge and remove entries, without waiting for it."""
        ...

    async def settle(self, stream: str, entries: Sequence[bytes]) -> None:
        """Acknowledge and remove those of the entries that are still ours."""
        ...

    async def renew(self, stream: str, entries: Sequence[bytes]) -> list[bytes]:
        """Hold entries for another lease; return those that are not ours any more."""
        ...

    async def attempt(self, stream: str, entry: bytes) -> int:
        """Count the start of a handler; return how many that makes, 0 if the entry is not ours."""
        ...

    async def hand_back(
        self, stream: str, entries: Sequence[bytes], ring: str, *, lease: float, started: bool
    ) -> None:
        """Let others take those of the entries that are still ours, without waiting for the lease to lapse.

        :param ring: the channel on which they are told
        :param lease: seconds that whoever takes them over waits for
        :param started: whether the count of handlers' starts stays; False: there never was one
        """
        ...

    async def backlog(self, stream: str, *, after: bytes = b"-", count: int = 100) -> list[Held]:
        """Return what is held already, oldest first, and renew it; see `mas.bus.backlog`."""
        ...


class FencedClaims:
    """Every deed in one script with its question."""

    bare = False

    def __init__(self, redis: Redis, group: str, consumer: str) -> None:
        self._redis, self._group, self._consumer = redis, group, consumer

    async def ensure_groups(self, shared: str, own: str, enrolment: str) -> bool:
        """Create what is missing."""
        for stream in (shared, own):
            if not await self._redis.run_script(OWN_GROUP, [stream, enrolment], [self._group]):
                return False
        return True

    def post_settlement(self, stream: str, entries: Sequence[bytes]) -> Reply:
        """See `Claims`; what is not ours is left alone."""
        return self._redis.post_script(SETTLE, [stream], [self._group, self._consumer, *entries])

    async def settle(self, stream: str, entries: Sequence[bytes]) -> None:
        """See `Claims`."""
        await self._redis.run_script(SETTLE, [stream], [self._group, self._consumer, *entries])

    async def renew(self, stream: str, entries: Sequence[bytes]) -> list[bytes]:
        """See `Claims`."""
        lost: list[bytes] = await self._redis.run_script(
            RENEW, [stream], [self._group, self._consumer, *entries]
        )
        return lost

    async def attempt(self, stream: str, entry: bytes) -> int:
        """See `Claims`."""
        return int(await self._redis.run_script(ATTEMPT, [stream], [self._group, self._consumer, entry]))

    async def hand_back(
        self, stream: str, entries: Sequence[bytes], ring: str, *, lease: float, started: bool
    ) -> None:
        """See `Claims`."""
        how = (int(lease * 1000), int(not started), ring, HANDED_BACK)
        await self._redis.run_script(HAND_BACK, [stream], [self._group, self._consumer, *how, *entries])

    async def backlog(self, stream: str, *, after: bytes = b"-", count: int = 100) -> list[Held]:
        """See `Claims`."""
        return await backlog(self._redis, stream, self._group, self._consumer, after=after, count=count)


class BareClaims:
    """Commands only, each within the rights of an agent that runs elsewhere.

    :param redis: a connection under the agent's own Redis user
    """

    bare = True

    def __init__(self, redis: Redis, group: str, consumer: str) -> None:
        self._redis, self._group, self._consumer = redis, group, consumer

    async def ensure_groups(self, shared: str, own: str, enrolment: str) -> bool:  # noqa: ARG002 - not its to see
        """Wait for the gateway to create them: this consumer may not."""
        for stream in (shared, own):
            while not await self._exists(stream):  # noqa: ASYNC110 - it may listen to its own ring only
                await anyio.sleep(_PAUSE)
        return True

    def post_settlement(self, stream: str, entries: Sequence[bytes]) -> Reply:
        """See `Claims`; the caller knows that the leases stand."""
        acknowledged = self._redis.post("XACK", stream, self._group, *entries)
        self._redis.post("XDEL", stream, *entries)
        return acknowledged

    async def settle(self, stream: str, entries: Sequence[bytes]) -> None:
        """See `Claims`."""
        lost = set(await self.renew(stream, entries))
        if ours := [entry for entry in entries if entry not in lost]:
            await self.post_settlement(stream, ours).result()

    async def renew(self, stream: str, entries: Sequence[bytes]) -> list[bytes]:
        """See `Claims`."""
        looks = [self._look(stream, entry) for entry in entries]
        claims: list[tuple[bytes, Reply | None]] = []
        for entry, look in zip(entries, looks, strict=True):
            held = await look.result()
            # The idle time seen is what nobody who claimed it since can have reached.
            claims.append((entry, self._claim(stream, entry, idle=held[0][2]) if held else None))
        failed = [entry for entry, claim in claims if claim is None or not await claim.result()]
        # Where another task of ours claimed it since, for a start of its handler, it is renewed already.
        looks = [self._look(stream, entry) for entry in failed]
        return [entry for entry, look in zip(failed, looks, strict=True) if not await look.result()]

    async def attempt(self, stream: str, entry: bytes) -> int:
        """See `Claims`."""
        while held := await self._look(stream, entry).result():
            starts = int(held[0][3]) + 1
            if await self._claim(stream, entry, "RETRYCOUNT", starts, idle=held[0][2]).result():
                return starts
            # Claimed since, by another task of ours that renewed it or by somebody else: the next look tells.
        return 0

    async def hand_back(
        self,
        stream: str,
        entries: Sequence[bytes],
        ring: str,  # noqa: ARG002 - it may not ring
        *,
        lease: float,
        started: bool,
    ) -> None:
        """See `Claims`; others find it when they look for what the dead left."""
        how = ("IDLE", int(lease * 1000), *(() if started else ("RETRYCOUNT", 0)))
        looks = [(entry, self._look(stream, entry)) for entry in entries]
        for entry, look in looks:
            if held := await look.result():
                await self._claim(stream, entry, *how, idle=held[0][2]).result()

    async def backlog(self, stream: str, *, after: bytes = b"-", count: int = 100) -> list[Held]:
        """See `Claims`."""
        first = after if after == b"-" else b"(" + after
        held = await self._redis.call("XPENDING", stream, self._group, first, "+", count, self._consumer)
        asked = [(one, self._redis.post("XRANGE", stream, one[0], one[0])) for one in held]
        for entry, _, idle, starts in held:
            self._claim(stream, entry, *(() if starts else ("RETRYCOUNT", 1)), idle=idle)
        found = []
        for (entry, _, _, starts), reply in asked:
            there = await reply.result()
            found.append(Held(entry, starts, there[0][1] if there else None))
        return found

    def _look(self, stream: str, entry: bytes) -> Reply:
        return self._redis.post("XPENDING", stream, self._group, entry, entry, 1, self._consumer)

    def _claim(self, stream: str, entry: bytes, *more: str | int, idle: int) -> Reply:
        return self._redis.post("XCLAIM", stream, self._group, self._consumer, idle, entry, *more, "JUSTID")

    async def _exists(self, stream: str) -> bool:
        try:
            await self._redis.call("XPENDING", stream, self._group)
        except ResponseError as error:
            if "NOGROUP" in str(error):
                return False
            raise
        return True
