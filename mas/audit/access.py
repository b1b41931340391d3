"""The trail of one deployment, for who may read it; each look at it is itself recorded.

Programs open one with `mas.audit.open_trail`; GATEWAY.md shows how.
"""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from mas.audit import chain
from mas.audit.archive import Archive, listed, seals_named
from mas.audit.door import Door, View
from mas.audit.ending import Ending
from mas.audit.entire import read_entire
from mas.audit.entry import Raw
from mas.audit.events import EventKind, Events
from mas.audit.handover import hand_over
from mas.audit.holdings import holdings
from mas.audit.keyfile import KeyFile
from mas.audit.payload import decrypt
from mas.audit.places import Places
from mas.audit.query import Filter, Found, opened, select
from mas.audit.record import AuditRecord
from mas.audit.report import Report
from mas.audit.seal import sealed_of
from mas.audit.signing import PublicKeys, SealKey
from mas.audit.source import Chunk, outside_seals, read_file, read_file_apart, read_live
from mas.audit.trails import Trail, trail_key
from mas.audit.verify import Verifier
from mas.clock import SYSTEM, Clock
from mas.errors import IntegrityError, MasError
from mas.keys import Keys
from mas.redis import Redis
from mas.threads import in_thread
from mas.trust import Keyring

Progress = Callable[[int, float], None]
"""Told now and then how many records have been read, and which share of all that is, from 0 to 1."""


class AuditTrail:
    """See the module. What reads, reads through the door, which keeps the record of it.

    :param actor: who reads, for that record
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        keyring: Keyring,
        events: Events,
        places: Places,
        *,
        actor: str = "",
        clock: Clock = SYSTEM,
    ) -> None:
        self._door = Door(redis, keys, events, places.archive, actor=actor)
        self._keyring, self._events, self._clock, self._actor = keyring, events, clock, actor
        self._macs = {trail: trail_key(keyring, trail.stream(keys)) for trail in Trail}
        self._file = KeyFile(places.key, places.public)
        self._hand_over = partial(hand_over, redis, keys, self._file, self._macs, clock)

    async def verify(
        self,
        *,
        public: PublicKeys | None = None,
        outside: Iterable[Raw] = (),
        archives: bool = False,
        progress: Progress = lambda *_: None,
    ) -> Report:
        """Compare all that Redis holds with its seals, and the rest with its MACs and numbers.

        :param public: the keys to believe; None: those beside the deployment's own
        :param outside: seals from outside Redis, as `outside_seals` reads them
        :param archives: begin with the first seal of all, in this machine's archives
        :raises ConfigurationError: if there is no public key, or an archive cannot be opened
        """
        view = await self._door.open("verify", "archives" if archives else "")
        copies = list(outside)
        while True:
            oldest, share = await _oldest_seal(view), await _shares(view, archives=archives)
            verifier = verifier_for(
                public or self._file.public_keys(),
                copies,
                macs=self._macs,
                from_first=archives,
                namespace=view.keys.namespace,
            )

            def damaged(error: IntegrityError, verifier: Verifier = verifier) -> None:
                verifier.damage(error.what, error.problem)

            everything = read_entire(view, Filter(), filled=False, damage=damaged)
            async for chunk in everything if archives else read_live(view.redis, view.keys):
                feed(verifier, chunk)
                progress(verifier.done, share(verifier))
            report = verifier.finish()
            # An archive that was made meanwhile takes away what was just about to be read.
            if report.intact or await _oldest_seal(view) == oldest:
                return report

    async def query(self, wanted: Filter) -> AsyncGenerator[Found]:
        """Yield the records that match, archives included, oldest first and trail by trail.

        What is in no archive here is logged as a warning: another machine's sealer may have it.

        :raises IntegrityError: if an archive is damaged
        """
        view = await self._door.open("query", str(wanted))
        async with aclosing(select(read_entire(view, wanted), wanted)) as matching:
            async for found in matching:
                yield found

    async def query_file(self, path: Path, wanted: Filter) -> AsyncGenerator[Found]:
        """Yield the records of one archive or export that match.

        :raises ConfigurationError: if the file cannot be opened
        :raises IntegrityError: if it is damaged
        """
        await self._door.open("query", f"{path.name} {wanted}")
        chunks = read_file_apart(path, wanted=wanted.wants)
        async with aclosing(select(chunks, wanted)) as matching:
            async for found in matching:
                yield found

    async def export(self) -> AsyncGenerator[Chunk]:
        """Yield all that Redis holds of the trail, with its seals.

        :raises MasError: at the end, if an archive took away meanwhile what was about to be read
        """
        view = await self._door.open("export")
        oldest = await _oldest_seal(view)
        async with aclosing(read_live(view.redis, view.keys)) as chunks:
            async for chunk in chunks:
                yield chunk
        if await _oldest_seal(view) != oldest:
            raise MasError("records went into an archive while they were exported: export again")

    async def tail(self, wanted: Filter, *, last: int = 10, follow: bool = False) -> AsyncGenerator[Found]:
        """Yield the last matching records, and with `follow` those that come, until cancelled.

        While it follows it waits for a Redis that is away.

        :param last: how many of each trail
        """
        ending = Ending(await self._door.open("tail", str(wanted)), wanted, self._clock)
        for found in await ending.last(last):
            yield found
        if follow:
            async with aclosing(ending.follow()) as coming:
                async for found in coming:
                    yield found

    async def payload(self, found: Found) -> bytes:
        """Return the payload that a record keeps, decrypted; empty if it keeps none.

        :raises IntegrityError: if it is not what the gateway wrote, or written under another secret
        """
        await self._door.open("payload", str(found.record.get("message_id", "")))
        if "payload" not in found.record:
            return b""
        try:
            record = msgspec.convert(found.record, AuditRecord)
        except msgspec.ValidationError as error:
            raise IntegrityError(f"{found.trail} {found.id}", "no gateway wrote this record") from error
        return decrypt(self._keyring, record)

    async def stats(self) -> dict[str, Any]:
        """Return how much there is, how much of it is sealed, and since when."""
        return await holdings(await self._door.open("stats"))

    async def archives(self) -> list[Archive]:
        """Return the archives in this machine's directory, oldest first."""
        view = await self._door.open("archives")
        return await in_thread(listed, view.archive)

    async def rotate_key(self) -> SealKey:
        """Hand the chain over to a new key; the sealer takes it up by itself.

        :raises ConfigurationError: if the key that signs the chain is not this deployment's
        :raises MasError: if there is no chain yet, or it grew too fast to get a word in
        """
        successor = await self._hand_over()
        await self._events.write(EventKind.AUDIT_KEY, successor.fingerprint, actor=self._actor)
        return successor


def verify_file(
    path: Path, public: PublicKeys, *, outside: Iterable[Raw] = (), progress: Progress = lambda *_: None
) -> Report:
    """Verify an archive or an export, offline: no Redis, no secret.

    An archive must begin and end with the seals that its name says, and is told by that name. An export must
    begin as what Redis held: with the first seal, or where a trim says so; and end with the newest seal known
    outside. A line that is no entry breaks the trail like one that was altered.

    :raises ConfigurationError: if the file cannot be opened
    """
    archived = seals_named(path)
    verifier = verifier_for(public, outside, whole=archived is None, archived=archived)
    chunks = read_file(
        path,
        damage=lambda error: verifier.damage(error.what, error.problem),
        reached=lambda share: progress(verifier.done, share),
    )
    for chunk in chunks:
        feed(verifier, chunk)
    return verifier.finish()


def query_file(path: Path, wanted: Filter) -> Iterable[Found]:
    """Yield the records of an archive or an export that match, offline: no Redis, no secret.

    :raises ConfigurationError: if the file cannot be opened
    :raises IntegrityError: if it is damaged
    """
    for trail, entries in read_file(path, wanted=wanted.wants):
        if trail is not None:
            yield from filter(wanted.matches, opened(trail, entries))


def verifier_for(public: PublicKeys, outside: Iterable[Raw], **how: Any) -> Verifier:
    """Return a verifier that knows of these seals from outside Redis."""
    return Verifier(public, outside=[link for entry in outside if (link := sealed_of(entry))], **how)


def feed(verifier: Verifier, chunk: Chunk) -> None:
    """Give a verifier what was read."""
    if chunk.trail is not None:
        verifier.records(chunk.trail, chunk.entries)
    else:
        for entry in chunk.entries:
            verifier.seal(entry)


async def _oldest_seal(view: View) -> Any:
    return await view.redis.call("XRANGE", view.keys.audit_seals, "-", "+", "COUNT", 1)


async def _shares(view: View, *, archives: bool) -> Callable[[Verifier], float]:
    """Return what says which share of all was seen: of the records, or of the seals with archives."""
    if archives:
        tip = await chain.tip(view.redis, view.keys)
        last = tip.link.seal.sequence if tip.link else 1
        return lambda verifier: min(1.0, verifier.report.last_seal / last)
    total = sum([await view.redis.call("XLEN", trail.stream(view.keys)) for trail in Trail]) or 1
    return lambda verifier: min(1.0, verifier.done / total)


__all__ = [
    "AuditTrail",
    "feed",
    "outside_seals",
    "query_file",
    "verifier_for",
    "verify_file",
]
