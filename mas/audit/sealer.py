"""Follow the trails and seal them; one process at a time, however many could.

Who holds the lease reads what is new, checks it, appends a seal, and hands each seal to the sink; then
archives what is too old or too much. Where it goes on from is the chain's last link, so a successor
continues without a gap; that a link is appended only to the one it was made for keeps two from forking
it. If less is found than was sealed, the chain goes on from what is remembered, and says so for ever.
"""

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.audit import archive, chain
from mas.audit.apart import Clerk, NoAnswer
from mas.audit.apart.words import Examine, Pack
from mas.audit.author import Author, signer_after
from mas.audit.draft import Examined
from mas.audit.events import EventKind, Events
from mas.audit.handout import Handout
from mas.audit.keyfile import KeyFile
from mas.audit.look import Look, Seen
from mas.audit.places import Places, sink_of
from mas.audit.seal import Sealed
from mas.audit.trails import Trail, trail_key
from mas.clock import SYSTEM, Clock
from mas.errors import ConfigurationError, RedisUnavailable
from mas.keys import Keys
from mas.log import logger
from mas.redis import Lease, Redis
from mas.retention import to_delete
from mas.settings import AuditSettings
from mas.threads import in_thread
from mas.trust import Keyring

log = logger(__name__)

LEASE: Final = 3.0
"""Seconds until another sealer takes over from one that fell silent."""
_SUITED, _BUSY, _UNABLE = range(3)
"""Ranks of contenders for the lease: a better one takes it over."""
_RENEWAL: Final = 0.5  # seconds
_FLUSH: Final = 3.0  # seconds that sealing the rest may take at the end
_FULL: Final = 0.75  # of what one seal covers, when the next look is due
_GLANCE: Final = 0.25  # seconds between two questions whether a burst has begun
_SOONEST: Final = 0.02  # seconds between two looks
_RETENTION: Final = 5.0  # seconds between two looks at what is too old


class Sealer:
    """See the module.

    :param suited: whether the process has nothing more urgent to do; one that has leaves the lease to
        others, and seals while there are none
    :param clerk: keeps a process that examines while there is much to examine; None: all is done here
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
        clerk: Clerk | None = None,
    ) -> None:
        self._redis, self._keys, self._settings = redis, keys, settings
        self._places, self._events, self._clock, self._suited = places, events, clock, suited
        self._macs = {trail: trail_key(keyring, trail.stream(keys)) for trail in Trail}
        self._clerk = clerk
        self._file = KeyFile(places.key, places.public)
        self._handout = Handout(redis, keys, sink_of(settings, places, keys.namespace), events, clock)
        self._lease = self._contend(_SUITED if suited else _BUSY)
        self._author: Author | None = None
        self._expected = b""
        self._remembered: Sealed | None = None
        self._aim: tuple[int, float] | None = None
        self._next_look = self._last_look = self._next_retention = self._held_until = 0.0

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Seal whenever the lease is ours, until cancelled; then seal the rest and leave the lease.

        :raises ConfigurationError: at the start, if the key cannot be used
        """
        await in_thread(self._file.load)
        task_status.started()
        async with anyio.create_task_group() as tasks:
            if self._clerk is not None:
                tasks.start_soon(self._clerk.run)
            tasks.start_soon(self._handout.run)
            try:
                await self._go_on()
            finally:
                with anyio.move_on_after(_FLUSH, shield=True):
                    await self._finish()

    async def _go_on(self) -> None:
        if not self._suited:
            await self._clock.sleep(LEASE)
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
            if self._clerk is not None:
                # Whoever seals now has a process of its own, where one is worth it.
                self._clerk.note(0.0)
            await self._clock.sleep(_RENEWAL)

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
            self._handout.go_on()
            if now >= self._next_retention:
                self._next_retention = now + _RETENTION
                if await self._retire():
                    # However much there is to archive, what is new does not wait for it.
                    self._next_retention = now
                    continue
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
        length = self._redis.post("XLEN", self._keys.audit_messages)
        sealed = await self._redis.call("HGET", self._keys.audit_sealed, Trail.MESSAGES)
        unsealed: int = await length.result()
        with suppress(ValueError):  # somebody else wrote there: the next look puts it right
            unsealed -= int(sealed or 0)
        return unsealed >= self._settings.seal_batch * _FULL

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
        self._expected, self._aim = tip.signature, None
        key = await in_thread(self._file.load)
        public = self._file.public_keys()
        here = await chain.believed(self._redis, self._keys, tip, public)
        if tip.there and here is not None and (tip.link is None or here.signed.body != tip.link.signed.body):
            where = f"behind seal {here.seal.sequence}"
            self._events.alarm(self._keys.audit_seals, f"{where} stands what is no seal of this system")
        outside = await self._handout.take_up(here)
        known = [
            link
            for link in (here, self._remembered, outside)
            if link and public.verify(link.seal.key, link.signed.body, link.signed.signature)
        ]
        newest = max(known, key=lambda link: link.seal.sequence, default=None)
        if newest is not None or tip.link is not None:
            last = newest or tip.link
            assert last is not None  # noqa: S101 - one of them is
            key = await in_thread(self._file.load_for, signer_after(last.seal))
        author = Author(key, self._macs, newest, namespace=self._keys.namespace)
        if (tip.there or newest is not None) and (
            newest is None or here is None or here.signed.body != newest.signed.body
        ):
            await self._restart(author, here)
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
        # Both are asked for at once, so that a look at nothing new is one round trip.
        looks = {trail: self._look(author, trail) for trail in Trail}
        busiest = 0
        for trail, look in looks.items():
            seen = await (self._seen(author, trail) if look is None else look.seen(author.draft(trail)))
            if seen.examined is not None:
                busiest = max(busiest, seen.examined.count)
                if not await self._seal(author, seen.examined):
                    return False
            if seen.all:
                # What the commit compares with its cap, put right whenever all is sealed.
                self._redis.post("HSET", self._keys.audit_sealed, trail, seen.length)
        # At the pace of the last look, the next one finds less than one seal covers.
        pace = busiest / max(_SOONEST, began - self._last_look)
        if self._clerk is not None:
            self._clerk.note(pace)
        wait = max(_SOONEST, min(self._settings.seal_interval, most * _FULL / pace if pace else 3600.0))
        self._last_look, self._next_look = began, began if busiest == most else began + wait
        return True

    def _look(self, author: Author, trail: Trail) -> Look | None:
        """Begin to look at what is new; None if the clerk is to do it."""
        if trail is Trail.MESSAGES and self._clerk is not None and self._clerk.ready:
            return None
        return Look(self._redis, self._keys, trail, author.after(trail), self._settings.seal_batch)

    async def _seen(self, author: Author, trail: Trail) -> Seen:
        """Have the clerk look, and look here if it does not answer."""
        assert self._clerk is not None  # noqa: S101 - the caller knows of one
        after, most = author.after(trail), self._settings.seal_batch
        try:
            return await self._clerk.examine(Examine(trail, after, most, author.state.runs))
        except NoAnswer:
            return await Look(self._redis, self._keys, trail, after, most).seen(author.draft(trail))

    async def _seal(self, author: Author, examined: Examined) -> bool:
        """Append the seal of what was examined; return False if somebody else has appended one meanwhile."""
        for flaw in examined.flaws:
            self._events.alarm(f"{examined.trail} {flaw.where}", flaw.problem)
        link = author.range(examined, self._clock.wall())
        return await self._append(author, link, trail=examined.trail, records=examined.count)

    async def _append(self, author: Author, link: Sealed, **sealed: Any) -> bool:
        appended = await chain.append(self._redis, self._keys, self._expected, link.signed, **sealed)
        if appended is not None:
            self._accept(author, link)
        return appended is not None

    def _accept(self, author: Author, link: Sealed) -> None:
        author.accept(link)
        self._expected, self._remembered = link.signed.signature, link

    async def _retire(self) -> bool:
        """Archive and trim one portion of what is too much or too old; say whether to go on with it."""
        author, settings = self._author, self._settings
        if author is None or not await self._lease.keep():
            return False
        surplus, before = self._aim or await self._excess()
        self._aim = None
        portion = await archive.overdue(self._redis, self._keys, surplus=surplus, before=before)
        if portion is None or not await self._archive(author, portion):
            return False
        # Once something is too old, a tenth more goes with it: archives would be tiny otherwise.
        self._aim = surplus - portion.records, self._clock.wall() - settings.max_age * 0.9
        return True

    async def _excess(self) -> tuple[int, float]:
        """Return how many records are too many, and how old one may be, in seconds since the epoch."""
        settings = self._settings
        lengths = [await self._redis.call("XLEN", trail.stream(self._keys)) for trail in Trail]
        surplus = sum(lengths) - settings.max_records
        if surplus > 0:
            surplus += settings.max_records // 10
        return surplus, self._clock.wall() - settings.max_age

    async def _archive(self, author: Author, portion: archive.Portion) -> bool:
        name = archive.name_of(portion)
        try:
            digest = await self._pack(portion, self._places.archive / name)
        except OSError as error:
            self._events.alarm("audit.archive_dir", f"nothing can be archived: {error}")
            return False
        gone = await self._too_much_on_disk(before=portion)
        deleted = gone[-1].last if gone else 0
        link = author.trim(self._clock.wall(), portion.upto, name, digest, deleted=deleted)
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
        if gone:
            await self._delete(gone, deleted)
        return True

    async def _too_much_on_disk(self, before: archive.Portion) -> list[archive.Archive]:
        """Return the archives that must go, oldest first, now that another one is written.

        :param before: what that one holds: only what is older can be in those that go
        """
        age, size = self._settings.archive_max_age, self._settings.archive_max_bytes
        if age is None and size is None:
            return []

        def look() -> list[archive.Archive]:
            kept = archive.listed(self._places.archive)
            paths = [each.path for each in kept]
            gone = to_delete(paths, max_age=age, max_bytes=size, now=self._clock.wall())
            return [each for each in kept[: len(gone)] if each.last < before.upto.seal.sequence]

        try:
            return await in_thread(look)
        except OSError as error:
            self._events.alarm("audit.archive_dir", f"no archive can be deleted: {error}")
            return []

    async def _delete(self, gone: list[archive.Archive], upto: int) -> None:
        """Delete archives; the chain says so by now. What cannot be deleted goes with the next."""
        try:
            for each in gone:
                await in_thread(partial(each.path.unlink, missing_ok=True))
        except OSError as error:
            self._events.alarm("audit.archive_dir", f"an archive cannot be deleted: {error}")
            return
        told = f"deleted {len(gone)} archives, up to seal {upto}: too old, or too much"
        self._events.post(EventKind.ARCHIVED, str(self._places.archive), detail=told)
        log.info("audit archives deleted", archives=len(gone), upto=upto)

    async def _pack(self, portion: archive.Portion, path: Path) -> str:
        """Write an archive, or have the clerk do it, and return its SHA-256 as hex.

        :raises OSError: if it cannot be written
        """
        if self._clerk is not None and self._clerk.ready:
            first, upto = (portion.seals[at][0].decode() for at in (0, -1))
            with suppress(NoAnswer):
                return await self._clerk.pack(Pack(first, upto, str(path)))
        content = await archive.pack(self._redis, self._keys, portion.seals)
        return await archive.keep(content, path)

    async def _finish(self) -> None:
        try:
            if self._author is not None:
                await self._seal_the_rest()
                await self._handout.finish()
            await self._lease.let_go()
            self._held_until = 0.0
        except (RedisUnavailable, ResponseError) as error:
            log.warning("the last records are left for the next sealer", problem=str(error))
        except ConfigurationError as error:
            self._events.alarm(self._keys.audit_seals, f"cannot seal: {error}")

    async def _seal_the_rest(self) -> None:
        self._next_look = 0.0
        while self._next_look <= self._clock.monotonic():
            if await self._seal_new():
                continue
            # Another one has sealed, or seals were taken away: it is no longer the chain that we know.
            if not await self._lease.keep():
                return
            self._author = await self._take_up()
