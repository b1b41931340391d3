"""Follow the trails and seal them; one process at a time, however many could.

Who holds the lease reads what is new, checks it, appends a seal, and hands each seal to the sink; then
archives what is too old or too much. Where it goes on from is the chain's last link, so a successor
continues without a gap; that a link is appended only to the one it was made for keeps two from forking
it. If less is found than was sealed, the chain goes on from what is remembered, and says so for ever.
"""

from contextlib import suppress
from typing import Any, Final

import anyio
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.audit import archive, chain
from mas.audit.author import Author, Draft, signer_after
from mas.audit.events import Events
from mas.audit.handout import Handout
from mas.audit.keyfile import KeyFile
from mas.audit.places import Places, sink_of
from mas.audit.seal import Sealed
from mas.audit.trails import Trail, trail_key
from mas.clock import SYSTEM, Clock
from mas.errors import ConfigurationError, RedisUnavailable
from mas.keys import Keys
from mas.log import logger
from mas.redis import Lease, Redis, Reply
from mas.settings import AuditSettings
from mas.trust import Keyring

log = logger(__name__)

LEASE: Final = 3.0
"""Seconds until another sealer takes over from one that fell silent."""
_SUITED, _BUSY, _UNABLE = range(3)
"""Ranks of contenders for the lease: a better one takes it over."""
_RENEWAL: Final = 0.5  # seconds
_FLUSH: Final = 3.0  # seconds that sealing the rest may take at the end
# Records read and examined before others of this process have their turn. Of an answer with more of them
# than this, Python's garbage collector takes so much notice that it costs more than their examination.
_PAGE: Final = 250
_FULL: Final = 0.75  # of what one seal covers, when the next look is due
_GLANCE: Final = 0.1  # seconds between two questions whether a burst has begun
_SOONEST: Final = 0.02  # seconds between two looks
_RETENTION: Final = 5.0  # seconds between two looks at what is too old


class Sealer:
    """See the module.

    :param suited: whether the process has nothing more urgent to do; one that has leaves the lease to
        others, and seals while there are none
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        keyring: Keyring,
        settings: AuditSettings,
        places: Places,
        events: Events,
        *,
        clock: Clock = SYSTEM,
        suited: bool = True,
    ) -> None:
        self._redis, self._keys, self._settings = redis, keys, settings
        self._places, self._events, self._clock, self._suited = places, events, clock, suited
        self._macs = {trail: trail_key(keyring, trail.stream(keys)) for trail in Trail}
        self._file = KeyFile(places.key, places.public)
        self._handout = Handout(redis, keys, sink_of(settings, places), events, clock)
        self._lease = self._contend(_SUITED if suited else _BUSY)
        self._author: Author | None = None
        self._expected = b""
        self._remembered: Sealed | None = None
        self._lengths = dict.fromkeys(Trail, 0)
        self._next_look = self._last_look = self._next_retention = self._held_until = 0.0

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Seal whenever the lease is ours, until cancelled; then seal the rest and leave the lease.

        :raises ConfigurationError: at the start, if the key cannot be used
        """
        await anyio.to_thread.run_sync(self._file.load)
        task_status.started()
        if not self._suited:
            await self._clock.sleep(LEASE)
        try:
            while True:
                try:
                    await self._work()
                except (RedisUnavailable, ResponseError) as error:
                    log.warning("cannot seal", problem=str(error))
                    self._author = None
                except ConfigurationError as error:
                    self._events.alarm(self._keys.audit_seals, f"cannot seal: {error}")
                    self._author = None
                    await self._stand_back()
                await self._clock.sleep(_RENEWAL)
        finally:
            with anyio.move_on_after(_FLUSH, shield=True):
                await self._finish()

    async def _work(self) -> None:
        """Work for as long as the lease is ours and the chain is the one we know."""
        while await self._holds_lease():
            if self._author is None:
                self._author = await self._take_up()
                self._next_look = 0.0
            now = self._clock.monotonic()
            due = now >= self._next_look or await self._much_is_new()
            if due and not await self._seal_new():
                self._author = None
                continue
            await self._handout.go_on()
            if now >= self._next_retention:
                self._next_retention = now + _RETENTION
                await self._retire()
            pause = self._next_look - self._clock.monotonic()
            if pause > 0:
                await self._clock.sleep(min(pause, _GLANCE))
        self._author = None

    async def _holds_lease(self) -> bool:
        """Say whether the lease is ours, as far as was known a moment ago: appending asks for more."""
        now = self._clock.monotonic()
        if now >= self._held_until:
            self._held_until = now + _RENEWAL if await self._lease.keep() else 0.0
        return self._held_until > 0

    async def _much_is_new(self) -> bool:
        """Say whether a burst began after the last look, and has filled a seal since."""
        length: int = await self._redis.call("XLEN", self._keys.audit_messages)
        return length - self._lengths[Trail.MESSAGES] >= self._settings.seal_batch * _FULL

    async def _stand_back(self) -> None:
        """Leave the lease to whoever can seal."""
        self._held_until = 0.0
        with suppress(RedisUnavailable, ResponseError):
            await self._lease.let_go()
        # Not to take it away again from whoever can.
        self._lease = self._contend(_UNABLE)
        await self._clock.sleep(LEASE)

    def _contend(self, rank: int) -> Lease:
        return Lease(self._redis, self._keys.audit_sealer, life=LEASE, rank=rank)

    async def _take_up(self) -> Author:
        """Find where the chain goes on.

        :raises ConfigurationError: if another key than ours signs it
        """
        tip = await chain.tip(self._redis, self._keys)
        self._expected = tip.signature
        outside = await self._handout.take_up(tip.link)
        key = await anyio.to_thread.run_sync(self._file.load)
        public = self._file.public_keys()
        known = [
            link
            for link in (tip.link, self._remembered, outside)
            if link and public.verify(link.seal.key, link.signed.body, link.signed.signature)
        ]
        newest = max(known, key=lambda link: link.seal.sequence, default=None)
        if newest is not None or tip.link is not None:
            last = newest or tip.link
            assert last is not None  # noqa: S101 - one of them is
            key = await anyio.to_thread.run_sync(self._file.load_for, signer_after(last.seal))
        author = Author(key, self._macs, newest)
        here = tip.link if tip.link in known else None
        if tip.signature and (newest is None or here is None or here.signed.body != newest.signed.body):
            await self._restart(author, here)
        elif newest is not None and not tip.signature:
            await self._restart(author, None)
        return author

    async def _restart(self, author: Author, found: Sealed | None) -> None:
        number = found.seal.sequence if found else 0
        self._events.alarm(
            self._keys.audit_seals,
            f"seal {author.sequence} was the last one, and what redis has ends at {number}",
        )
        await self._append(author, author.restart(self._clock.wall(), number))

    async def _seal_new(self) -> bool:
        """Seal what is new; return False if somebody else has sealed meanwhile."""
        author = self._author
        assert author is not None  # noqa: S101 - the caller has taken the chain up
        began, most = self._clock.monotonic(), self._settings.seal_batch
        first = {trail: self._page(trail, author.after(trail), most) for trail in Trail}
        busiest = 0
        for trail, page in first.items():
            draft = author.draft(trail)
            read_empty = await self._examine(draft, page)
            count = len(draft.digests)
            busiest = max(busiest, count)
            if count:
                link = await self._sealed(author, draft)
                if not await self._append(author, link, trail=trail, records=count):
                    return False
            if read_empty:
                # What the commit compares with its cap, put right whenever all is sealed.
                self._redis.post("HSET", self._keys.audit_sealed, trail, self._lengths[trail])
        # At the pace of the last look, the next one finds less than one seal covers.
        pace = busiest / max(_SOONEST, began - self._last_look)
        wait = max(_SOONEST, min(self._settings.seal_interval, most * _FULL / pace if pace else 3600.0))
        self._last_look, self._next_look = began, began if busiest == most else began + wait
        return True

    def _page(self, trail: Trail, after: str, most: int) -> tuple[int, Reply, Reply]:
        """Ask for the next records, and how many there are in all."""
        stream, count = trail.stream(self._keys), min(_PAGE, most)
        entries = self._redis.post("XRANGE", stream, f"({after}", "+", "COUNT", count)
        return count, entries, self._redis.post("XLEN", stream)

    async def _examine(self, draft: Draft, page: tuple[int, Reply, Reply]) -> bool:
        """Examine what one seal may cover, page by page; say whether that is all there is."""
        left = self._settings.seal_batch
        while True:
            wanted, reply, length = page
            entries, self._lengths[draft.trail] = await reply.result(), await length.result()
            left -= len(entries)
            if len(entries) == wanted and left:
                page = self._page(draft.trail, entries[-1][0].decode(), left)
            if entries:
                draft.examine(entries)
            if len(entries) < wanted or not left:
                return len(entries) < wanted

    async def _sealed(self, author: Author, draft: Draft) -> Sealed:
        for flaw in draft.flaws:
            self._events.alarm(f"{draft.trail} {flaw.where}", flaw.problem)
        return author.range(draft, self._clock.wall())

    async def _append(self, author: Author, link: Sealed, **sealed: Any) -> bool:
        appended = await chain.append(self._redis, self._keys, self._expected, link.signed, **sealed)
        if appended is not None:
            self._accept(author, link)
        return appended is not None

    def _accept(self, author: Author, link: Sealed) -> None:
        author.accept(link)
        self._expected, self._remembered = link.signed.signature, link

    async def _retire(self) -> None:
        """Archive and trim what is too much or too old, until nothing is."""
        author, settings = self._author, self._settings
        if author is None:
            return
        lengths = [await self._redis.call("XLEN", trail.stream(self._keys)) for trail in Trail]
        surplus = sum(lengths) - settings.max_records
        if surplus > 0:
            surplus += settings.max_records // 10
        before = self._clock.wall() - settings.max_age
        while await self._lease.keep():
            portion = await archive.overdue(self._redis, self._keys, surplus=surplus, before=before)
            if portion is None or not await self._archive(author, portion):
                return
            surplus -= portion.records
            # Once something is too old, a tenth more goes with it: archives would be tiny otherwise.
            before = self._clock.wall() - settings.max_age * 0.9

    async def _archive(self, author: Author, portion: archive.Portion) -> bool:
        name = archive.name_of(portion)
        content = await archive.pack(self._redis, self._keys, portion)
        try:
            digest = await archive.keep(content, self._places.archive / name)
        except OSError as error:
            self._events.alarm("audit.archive_dir", f"nothing can be archived: {error}")
            return False
        link = author.trim(self._clock.wall(), portion.upto, name, digest)
        entry = await chain.trim(
            self._redis,
            self._keys,
            self._expected,
            link.signed,
            keep_from=portion.keep_from,
            ends=portion.upto.seal.state.ends,
        )
        if entry is None:
            self._author = None
            return False
        self._accept(author, link)
        log.info("audit records archived", archive=name, records=portion.records)
        return True

    async def _finish(self) -> None:
        try:
            if self._author is not None:
                self._next_look = 0.0
                while await self._seal_new() and not self._next_look > self._clock.monotonic():
                    pass
                await self._handout.finish()
            await self._lease.let_go()
            self._held_until = 0.0
        except (RedisUnavailable, ResponseError) as error:
            log.warning("the last records are left for the next sealer", problem=str(error))
