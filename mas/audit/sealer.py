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
from anyio.lowlevel import checkpoint
from redis.exceptions import ResponseError

from mas.audit import archive, chain
from mas.audit.author import Author, signer_after
from mas.audit.entry import Raw
from mas.audit.events import Events
from mas.audit.keyfile import KeyFile
from mas.audit.lines import SEALS, write_line
from mas.audit.places import Places, sink_of
from mas.audit.seal import Sealed
from mas.audit.sink import FileSink
from mas.audit.trails import Trail, trail_key
from mas.clock import SYSTEM, Clock
from mas.errors import ConfigurationError, RedisUnavailable
from mas.keys import Keys
from mas.log import logger
from mas.redis import Lease, Redis
from mas.settings import AuditSettings
from mas.trust import Keyring

log = logger(__name__)

LEASE: Final = 3.0
"""Seconds until another sealer takes over from one that fell silent."""
_RENEWAL: Final = 0.5  # seconds
_FLUSH: Final = 3.0  # seconds that sealing the rest may take at the end
_SLICE: Final = 100  # records examined before others of this process have their turn
_SOONEST: Final = 0.02  # seconds between two looks
_RETENTION: Final = 5.0  # seconds between two looks at what is too old


class Sealer:
    """See the module.

    :param patience: seconds in which others may take the lease first; for a process that is busy with
        more urgent things
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
        patience: float = 0.0,
    ) -> None:
        self._redis, self._keys, self._settings = redis, keys, settings
        self._places, self._events, self._clock, self._patience = places, events, clock, patience
        self._macs = {trail: trail_key(keyring, trail.stream(keys)) for trail in Trail}
        self._file = KeyFile(places.key, places.public)
        self._sink = sink_of(settings, places)
        self._hand_out_from: bytes | None = None
        self._lease = Lease(redis, keys.audit_sealer, life=LEASE)
        self._author: Author | None = None
        self._expected = b""
        self._remembered: Sealed | None = None
        self._length = 0
        self._next_look = self._last_look = self._next_retention = 0.0

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Seal whenever the lease is ours, until cancelled; then seal the rest and leave the lease.

        :raises ConfigurationError: at the start, if the key cannot be used
        """
        await anyio.to_thread.run_sync(self._file.load)
        task_status.started()
        await self._clock.sleep(self._patience)
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
        while await self._lease.keep():
            if self._author is None:
                self._author = await self._take_up()
                self._next_look = 0.0
            now = self._clock.monotonic()
            if now >= self._next_look or await self._much_is_new():
                if not await self._seal_new():
                    self._author = None
                    continue
                await self._hand_out()
            if now >= self._next_retention:
                self._next_retention = now + _RETENTION
                await self._retire()
            pause = self._next_look - self._clock.monotonic()
            if pause > 0:
                await self._clock.sleep(min(pause, _RENEWAL))
        self._author = None

    async def _much_is_new(self) -> bool:
        """Say whether a burst began after the last look, and has filled a seal since."""
        length: int = await self._redis.call("XLEN", self._keys.audit_messages)
        return length - self._length >= self._settings.seal_batch

    async def _stand_back(self) -> None:
        """Leave the lease to whoever can seal."""
        with suppress(RedisUnavailable, ResponseError):
            await self._lease.let_go()
        await self._clock.sleep(LEASE)

    async def _take_up(self) -> Author:
        """Find where the chain goes on.

        :raises ConfigurationError: if another key than ours signs it
        """
        tip = await chain.tip(self._redis, self._keys)
        self._expected = tip.signature
        outside = await anyio.to_thread.run_sync(self._sink.last) if self._sink else None
        if isinstance(self._sink, FileSink):
            self._hand_out_from = b"(" + outside.signed.id if outside else b"-"
        elif self._hand_out_from is None:
            # The last one may not have reached the sink when its sealer died.
            self._hand_out_from = tip.link.signed.id if tip.link else b"-"
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
        asked = [
            (
                trail,
                self._redis.post(
                    "XRANGE", trail.stream(self._keys), f"({author.after(trail)}", "+", "COUNT", most
                ),
                self._redis.post("XLEN", trail.stream(self._keys)),
            )
            for trail in Trail
        ]
        busiest = 0
        for trail, entries, length in asked:
            found, total = await entries.result(), await length.result()
            busiest = max(busiest, len(found))
            if trail is Trail.MESSAGES:
                self._length = total
            if found and not await self._seal(author, trail, found):
                return False
            if len(found) < most:
                # What the commit compares with its cap, put right whenever all is sealed.
                self._redis.post("HSET", self._keys.audit_sealed, trail, total)
        # At the pace of the last look, the next one finds half of what one seal covers.
        pace = busiest / max(_SOONEST, began - self._last_look)
        wait = max(_SOONEST, min(self._settings.seal_interval, most / 2 / pace if pace else 3600.0))
        self._last_look, self._next_look = began, began if busiest == most else began + wait
        return True

    async def _seal(self, author: Author, trail: Trail, entries: list[Raw]) -> bool:
        draft = author.draft(trail)
        for at in range(0, len(entries), _SLICE):
            draft.examine(entries[at : at + _SLICE])
            await checkpoint()
        for flaw in draft.flaws:
            self._events.alarm(f"{trail} {flaw.where}", flaw.problem)
        link = author.range(draft, self._clock.wall())
        return await self._append(author, link, trail=trail, records=len(entries))

    async def _append(self, author: Author, link: Sealed, **sealed: Any) -> bool:
        appended = await chain.append(self._redis, self._keys, self._expected, link.signed, **sealed)
        if appended is not None:
            self._accept(author, link)
        return appended is not None

    def _accept(self, author: Author, link: Sealed) -> None:
        author.accept(link)
        self._expected, self._remembered = link.signed.signature, link

    async def _hand_out(self) -> None:
        """Hand the sink what it has not had; if it fails, the rest waits in Redis."""
        if self._sink is None or self._hand_out_from is None:
            return
        while True:
            page = await self._redis.call(
                "XRANGE", self._keys.audit_seals, self._hand_out_from, "+", "COUNT", archive.AT_ONCE
            )
            if not page:
                return
            try:
                await self._sink.put([write_line(SEALS, entry) for entry in page])
            except OSError as error:
                self._events.alarm("audit.sink", f"seals cannot be written outside redis: {error}")
                return
            self._hand_out_from = b"(" + page[-1][0]

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
                await self._hand_out()
            await self._lease.let_go()
        except (RedisUnavailable, ResponseError) as error:
            log.warning("the last records are left for the next sealer", problem=str(error))
