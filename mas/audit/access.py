"""The trail of one deployment, for who may read it; each look at it is itself recorded.

Programs open one with `mas.audit.open_trail`; GATEWAY.md shows how.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import anyio

from mas.audit import chain
from mas.audit.archive import archived_to
from mas.audit.author import Author, signer_after
from mas.audit.entry import Raw, order
from mas.audit.events import EventKind, Events
from mas.audit.keyfile import KeyFile
from mas.audit.places import Places
from mas.audit.query import Filter, Found, opened, select
from mas.audit.report import Report
from mas.audit.seal import sealed_of
from mas.audit.signing import PublicKeys, SealKey
from mas.audit.source import Chunk, outside_seals, read_after, read_file, read_live
from mas.audit.trails import Trail, trail_key
from mas.audit.verify import Verifier
from mas.clock import SYSTEM, Clock
from mas.errors import MasError
from mas.keys import Keys
from mas.redis import Redis
from mas.trust import Keyring

_FOLLOW = 0.25
"""Seconds between two looks of `tail`."""
Progress = Callable[[int], None]
"""Told how many records have been read so far."""


class AuditTrail:
    """See the module.

    :param actor: who reads, for the record of it
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
        self._redis, self._keys, self._events, self._clock = redis, keys, events, clock
        self._actor = actor
        self._macs = {trail: trail_key(keyring, trail.stream(keys)) for trail in Trail}
        self._file = KeyFile(places.key, places.public)

    async def verify(
        self,
        *,
        public: PublicKeys | None = None,
        outside: Iterable[Raw] = (),
        progress: Progress = lambda _: None,
    ) -> Report:
        """Compare the whole trail with its seals, and the rest with its MACs and numbers.

        :param public: the keys to believe; None: those beside the deployment's own
        :param outside: seals from outside Redis, as `outside_seals` reads them
        :raises ConfigurationError: if there is no public key
        """
        await self._record("verify")
        copies = list(outside)
        while True:
            oldest = await self._oldest_seal()
            verifier = verifier_for(public or self._file.public_keys(), copies, macs=self._macs)
            async for chunk in read_live(self._redis, self._keys):
                feed(verifier, chunk)
                progress(verifier.done)
            report = verifier.finish()
            # An archive that was made meanwhile takes away what was just about to be read.
            if report.intact or await self._oldest_seal() == oldest:
                return report

    async def query(self, wanted: Filter) -> AsyncIterator[Found]:
        """Yield the records that match."""
        await self._record("query", str(wanted))
        async for found in select(read_live(self._redis, self._keys, wanted=wanted.wants), wanted):
            yield found

    async def export(self) -> AsyncIterator[Chunk]:
        """Yield the whole trail with its seals."""
        await self._record("export")
        async for chunk in read_live(self._redis, self._keys):
            yield chunk

    async def tail(self, wanted: Filter, *, last: int = 10, follow: bool = False) -> AsyncIterator[Found]:
        """Yield the last records of each trail, and with `follow` those that come, until cancelled."""
        await self._record("tail", str(wanted))
        trails = [wanted.trail] if wanted.trail else list(Trail)
        ends = dict.fromkeys(trails, "0-0")
        recent: list[Found] = []
        for trail in trails:
            page = await self._redis.call("XREVRANGE", trail.stream(self._keys), "+", "-", "COUNT", last)
            if page:
                ends[trail] = page[0][0].decode()
            recent += opened(trail, reversed(page))
        for found in sorted(recent, key=lambda found: order(found.id)):
            if wanted.matches(found):
                yield found
        while follow:
            for trail in trails:
                async for page in read_after(self._redis, self._keys, trail, ends[trail]):
                    ends[trail] = page[-1][0].decode()
                    for found in opened(trail, page):
                        if wanted.matches(found):
                            yield found
            await self._clock.sleep(_FOLLOW)

    async def size(self) -> int:
        """Return how many records there are."""
        lengths = [await self._redis.call("XLEN", trail.stream(self._keys)) for trail in Trail]
        return sum(lengths)

    async def stats(self) -> dict[str, Any]:
        """Return how much there is, how much of it is sealed, and since when."""
        told: dict[str, Any] = {}
        tip = await chain.tip(self._redis, self._keys)
        ends = tip.link.seal.state.ends if tip.link else {}
        for trail in Trail:
            stream = trail.stream(self._keys)
            unsealed = 0
            async for page in read_after(self._redis, self._keys, trail, ends.get(trail, "0-0")):
                unsealed += len(page)
            oldest = await self._redis.call("XRANGE", stream, "-", "+", "COUNT", 1)
            newest = await self._redis.call("XREVRANGE", stream, "+", "-", "COUNT", 1)
            told[trail] = {
                "records": await self._redis.call("XLEN", stream),
                "unsealed": unsealed,
                "oldest": order(oldest[0][0])[0] / 1000 if oldest else None,
                "newest": order(newest[0][0])[0] / 1000 if newest else None,
                "bytes": await self._redis.call("MEMORY", "USAGE", stream, "SAMPLES", 100) or 0,
            }
        told["seals"] = {
            "kept": await self._redis.call("XLEN", self._keys.audit_seals),
            "last": tip.link.seal.sequence if tip.link else 0,
            "at": tip.link.seal.at if tip.link else None,
            "key": signer_after(tip.link.seal) if tip.link else None,
            "bytes": await self._redis.call("MEMORY", "USAGE", self._keys.audit_seals, "SAMPLES", 100) or 0,
        }
        return told

    async def rotate_key(self) -> SealKey:
        """Hand the chain over to a new key; the sealer takes it up by itself.

        :raises ConfigurationError: if the key that signs the chain is not this deployment's
        :raises MasError: if there is no chain yet, or it grew too fast to get a word in
        """
        for _ in range(50):
            tip = await chain.tip(self._redis, self._keys)
            if tip.link is None:
                raise MasError("there is no seal yet, hence no key to hand over from")
            wanted = signer_after(tip.link.seal)
            key = await anyio.to_thread.run_sync(self._file.load_for, wanted)
            successor = await anyio.to_thread.run_sync(self._file.prepare)
            link = Author(key, self._macs, tip.link).hand_over(self._clock.wall(), successor)
            if await chain.append(self._redis, self._keys, tip.signature, link.signed) is not None:
                await anyio.to_thread.run_sync(self._file.complete)
                await self._events.write(EventKind.AUDIT_KEY, successor.fingerprint, actor=self._actor)
                return successor
        raise MasError("the chain of seals grows too fast to hand it over; try again")

    async def _record(self, what: str, detail: str = "") -> None:
        await self._events.write(EventKind.AUDIT_READ, what, actor=self._actor, detail=detail)

    async def _oldest_seal(self) -> Any:
        return await self._redis.call("XRANGE", self._keys.audit_seals, "-", "+", "COUNT", 1)


def verify_file(
    path: Path, public: PublicKeys, *, outside: Iterable[Raw] = (), progress: Progress = lambda _: None
) -> Report:
    """Verify an archive or an export, offline: no Redis, no secret.

    An archive must end with the seal that its name says, an export with the newest one known outside.

    :raises ConfigurationError: if the file cannot be read
    """
    verifier = verifier_for(public, outside, whole=False, ends_at=archived_to(path))
    for chunk in read_file(path):
        feed(verifier, chunk)
        progress(verifier.done)
    return verifier.finish()


def verifier_for(public: PublicKeys, outside: Iterable[Raw], **how: Any) -> Verifier:
    """Return a verifier; of the seals from outside, those count that a believed key signed."""
    copies: dict[int, str] = {}
    links = [link for entry in outside if (link := sealed_of(entry))]
    for signed, seal in links:
        if public.verify(seal.key, signed.body, signed.signature):
            copies[seal.sequence] = signed.digest
    return Verifier(public, outside=copies, **how)


def feed(verifier: Verifier, chunk: Chunk) -> None:
    """Give a verifier what was read."""
    if chunk.trail is not None:
        verifier.records(chunk.trail, chunk.entries)
    else:
        for entry in chunk.entries:
            verifier.seal(entry)


__all__ = [
    "AuditTrail",
    "feed",
    "outside_seals",
    "verifier_for",
    "verify_file",
]
