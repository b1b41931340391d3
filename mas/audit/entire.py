"""A trail from its first record on: what went into archives, then what Redis holds.

Which archive is due is told by the numbers of the seals, so that what is moved from Redis into one while
somebody reads is neither missed nor read twice.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import anyio

from mas.audit.archive import holes, listed
from mas.audit.door import View
from mas.audit.entry import order
from mas.audit.query import Filter
from mas.audit.seal import sealed_of
from mas.audit.source import Chunk, read_file, read_live
from mas.audit.trails import Trail
from mas.errors import IntegrityError
from mas.log import logger

log = logger(__name__)


async def read_entire(
    view: View, wanted: Filter, *, damage: Callable[[IntegrityError], None] | None = None
) -> AsyncGenerator[Chunk]:
    """Yield what may match, oldest first; what no archive here has is logged as a warning.

    :param damage: told of damage to an archive, as `read_file` does
    :raises RedisUnavailable: if Redis does not answer
    :raises IntegrityError: if an archive is damaged and nobody is told
    :raises ConfigurationError: if an archive cannot be opened
    """
    covered = 0 if await _reaches_back(view, wanted) else None
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
            for each in held:
                yield each
            held.clear()
            yield chunk
    for each in held:
        yield each


async def _reaches_back(view: View, wanted: Filter) -> bool:
    """Say whether something older than the oldest record in Redis may match."""
    for trail in [wanted.trail] if wanted.trail else Trail:
        oldest = await view.redis.call("XRANGE", trail.stream(view.keys), "-", "+", "COUNT", 1)
        if not oldest or order(oldest[0][0])[0] / 1000 > wanted.since:
            return True
    return False


async def _archived(
    view: View, wanted: Filter, first: int, last: int, damage: Callable[[IntegrityError], None] | None
) -> AsyncGenerator[Chunk]:
    """Yield the ranges of some seals."""
    archives = await anyio.to_thread.run_sync(listed, view.archive)
    for start, end in holes(archives, first, last):
        log.warning(
            "records are missing from the answer: their seals are in no archive here",
            seals=f"{start}-{end}",
            directory=str(view.archive),
        )
    due = first
    for archive in archives:
        if archive.last < due or archive.first > last:
            continue
        chunks = read_file(archive.path, wanted=wanted.wants, damage=damage)
        held: list[Chunk] = []
        while chunk := await anyio.to_thread.run_sync(_next, chunks):
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


def _next(chunks: Iterator[Chunk]) -> Any:
    return next(chunks, None)
