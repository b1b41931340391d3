"""A trail, read in the order of its chain: each range's records, then their seal, at last the unsealed.

Live, each range is asked for by the ends that its seal names, so that a query passes over those that
cannot matter. From a file, everything comes as the lines stand.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from mas.audit.entry import Raw
from mas.audit.lines import SEALS, read_lines
from mas.audit.seal import RangeSeal, sealed_of
from mas.audit.trails import Trail
from mas.errors import ConfigurationError
from mas.keys import Keys
from mas.redis import Redis, Reply

_PAGE: Final = 1000
_AHEAD: Final = 4  # ranges asked for before they are looked at
_STRANGERS: Final = 100  # entries read of a range beyond those that its seal counts


class Chunk(NamedTuple):
    """Records of one trail, or one seal."""

    trail: Trail | None
    """None for a seal."""
    entries: list[Raw]


async def read_live(
    redis: Redis, keys: Keys, *, wanted: Callable[[RangeSeal], bool] = lambda _: True
) -> AsyncIterator[Chunk]:
    """Yield a live trail.

    :param wanted: asked of each seal; the records of the others are not read
    :raises RedisUnavailable: if Redis does not answer
    """
    ends = dict.fromkeys(Trail, "0-0")
    asked: deque[tuple[Raw, Trail | None, Reply | None]] = deque()
    position = b"-"
    more = True
    while more or asked:
        if more and len(asked) < _AHEAD:
            page = await redis.call("XRANGE", keys.audit_seals, position, "+", "COUNT", 20)
            more = bool(page)
            for entry in page:
                position = b"(" + entry[0]
                link = sealed_of(entry)
                if link is None or not isinstance(seal := link.seal, RangeSeal):
                    asked.append((entry, None, None))
                    continue
                after, ends[seal.trail] = ends[seal.trail], seal.last
                stream = seal.trail.stream(keys)
                reply = (
                    redis.post("XRANGE", stream, f"({after}", seal.last, "COUNT", seal.count + _STRANGERS)
                    if wanted(seal)
                    else None
                )
                asked.append((entry, seal.trail, reply))
            continue
        entry, trail, reply = asked.popleft()
        if trail is not None and reply is not None:
            yield Chunk(trail, await reply.result())
        yield Chunk(None, [entry])
    for trail in Trail:
        async for entries in read_after(redis, keys, trail, ends[trail]):
            yield Chunk(trail, entries)


async def read_after(redis: Redis, keys: Keys, trail: Trail, after: str) -> AsyncIterator[list[Raw]]:
    """Yield what stands in a trail after an entry, page by page, up to its present end."""
    position = f"({after}"
    while page := await redis.call("XRANGE", trail.stream(keys), position, "+", "COUNT", _PAGE):
        yield page
        position = f"({page[-1][0].decode()}"


def read_file(path: Path) -> Iterator[Chunk]:
    """Yield an exported or archived trail.

    :raises ConfigurationError: if the file cannot be read, or a line of it
    """
    pages: dict[str, list[Raw]] = {trail: [] for trail in Trail}
    for name, entry in read_lines(path):
        if name == SEALS:
            for trail, page in pages.items():
                if page:
                    yield Chunk(Trail(trail), page)
                    pages[trail] = []
            yield Chunk(None, [entry])
        elif name in pages:
            pages[name].append(entry)
            if len(pages[name]) >= _PAGE:
                yield Chunk(Trail(name), pages[name])
                pages[name] = []
        else:
            raise ConfigurationError(f"there is no trail {name[:60]!r}", where=str(path))
    for trail, page in pages.items():
        if page:
            yield Chunk(Trail(trail), page)


def outside_seals(path: Path) -> list[Raw]:
    """Return the seals in a file of a sink; a line that a crash cut short is passed over.

    :raises ConfigurationError: if the file cannot be read, or holds no seal
    """
    found = [entry for name, entry in read_lines(path, patient=True) if name == SEALS]
    if not found:
        raise ConfigurationError("holds no seal", where=str(path))
    return found
