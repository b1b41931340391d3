"""A trail from its first record on: what went into archives, then what Redis holds.

Which archive is due is told by the numbers of the seals, so that what is moved from Redis into one while
somebody reads is neither missed nor read twice.
"""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing, suppress
from pathlib import Path
from typing import Final

from mas.audit.archive import Archive, holes, listed
from mas.audit.door import View
from mas.audit.entry import order
from mas.audit.query import Filter
from mas.audit.seal import AnySeal, RangeSeal, sealed_of
from mas.audit.source import Chunk, read_file, read_file_apart, read_live
from mas.audit.trails import Trail
from mas.errors import IntegrityError
from mas.log import logger
from mas.threads import in_thread

log = logger(__name__)

_CLOCKS: Final = 3600.0
"""Seconds by which the clocks of two Redis servers, one of which took over from the other, may differ."""


async def read_entire(
    view: View,
    wanted: Filter,
    *,
    filled: bool = True,
    damage: Callable[[IntegrityError], None] | None = None,
) -> AsyncGenerator[Chunk]:
    """Yield what may match, oldest first; what no archive here has is logged as a warning.

    :param filled: whether what Redis no longer has of a range is taken from an archive that has it all
    :param damage: told of damage to an archive, as `read_file` does
    :raises RedisUnavailable: if Redis does not answer
    :raises IntegrityError: if an archive is damaged and nobody is told
    :raises ConfigurationError: if an archive cannot be opened
    """
    # Asked for first: what goes into an archive from here on is seen to be missing.
    oldest = await _oldest_seal(view)
    covered = 0 if await _reaches_back(view, wanted) else oldest and oldest - 1
    held: list[Chunk] = []
    async with aclosing(read_live(view.redis, view.keys, wanted=wanted.wants)) as live:
        async for chunk in live:
            if chunk.trail is not None:
                held.append(chunk)
                continue
            link = sealed_of(chunk.entries[0])
            if link is not None:
                number = link.seal.sequence
                if covered is not None and number > covered + 1:
                    archived = _archived(view, wanted, covered + 1, number - 1, damage)
                    async with aclosing(archived):
                        async for old in archived:
                            yield old
                covered = number
                if filled and _is_short(held, link.seal, wanted):
                    # It was trimmed just now, or deleted; an archive may have it all the same.
                    archived = _archived(view, wanted, number, number, damage)
                    async with aclosing(archived):
                        held = [old async for old in archived if old.trail is not None] or held
            for each in held:
                yield each
            held.clear()
            yield chunk
    for each in held:
        yield each


def _is_short(held: list[Chunk], seal: AnySeal, wanted: Filter) -> bool:
    """Say whether fewer records were found than a seal counts."""
    found = sum(len(chunk.entries) for chunk in held)
    return isinstance(seal, RangeSeal) and wanted.wants(seal) and found < seal.count


async def _oldest_seal(view: View) -> int | None:
    """Return the number of the oldest seal in Redis; None if there is none."""
    page = await view.redis.call("XRANGE", view.keys.audit_seals, "-", "+", "COUNT", 1)
    link = sealed_of(page[0]) if page else None
    return link.seal.sequence if link is not None else None


async def _reaches_back(view: View, wanted: Filter) -> bool:
    """Say whether something older than the oldest record in Redis, or of the same moment, may match."""
    for trail in [wanted.trail] if wanted.trail else Trail:
        oldest = await view.redis.call("XRANGE", trail.stream(view.keys), "-", "+", "COUNT", 1)
        if not oldest or order(oldest[0][0])[0] / 1000 >= wanted.since:
            return True
    return False


async def _archived(
    view: View, wanted: Filter, first: int, last: int, damage: Callable[[IntegrityError], None] | None
) -> AsyncGenerator[Chunk]:
    """Yield the ranges of some seals."""
    archives = await in_thread(_reaching, view.archive, wanted.since)
    if archives and wanted.since:
        first = max(first, archives[0].first)
    for start, end in holes(archives, first, last):
        log.warning(
            "records are missing from the answer, and in no archive here",
            seals=f"{start}-{end}",
            directory=str(view.archive),
        )
    due = first
    for archive in archives:
        if archive.last < due or archive.first > last:
            continue
        held: list[Chunk] = []
        # To prove an archive, all that lies in it is looked at; to answer, what it is asked for.
        proven = damage is not None and due <= archive.first and archive.last <= last
        async with aclosing(read_file_apart(archive.path, wanted=wanted.wants, damage=damage)) as chunks:
            async for chunk in chunks:
                if proven:
                    due = archive.last + 1
                    yield chunk
                    continue
                if chunk.trail is not None:
                    held.append(chunk)
                    continue
                link = sealed_of(chunk.entries[0])
                if link is not None and due <= link.seal.sequence <= last:
                    due = link.seal.sequence + 1
                    for each in held:
                        yield each
                    yield chunk
                held.clear()


def _reaching(directory: Path, since: float) -> list[Archive]:
    """Return the archives but for the oldest ones, whose records were all written before some time."""
    archives = listed(directory)
    for at in range(len(archives) - 1, 0, -1):
        # A record is older than its seal, so what stands before an archive is older than its first seal.
        if _first_sealed(archives[at].path) < since - _CLOCKS:
            return archives[at:]
    return archives


def _first_sealed(path: Path) -> float:
    """Return when the first seal of an archive was appended, in seconds; late if nobody can say."""
    with suppress(IntegrityError), closing(_chunks(path)) as chunks:
        for chunk in chunks:
            if chunk.trail is None:
                return order(chunk.entries[0][0])[0] / 1000
    return float("inf")


def _chunks(path: Path) -> Generator[Chunk]:
    yield from read_file(path)
