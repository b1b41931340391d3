"""A trail, read in the order of its chain: each range's records, then their seal, at last the unsealed.

Live, each range is asked for by the ends that its seal names, so that a query passes over those that
cannot matter. From a file, everything comes as the lines stand.
"""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from mas.audit.entry import Raw, order
from mas.audit.lines import SEALS, entry_of, is_seal, numbered, read_line
from mas.audit.seal import RangeSeal, sealed_of
from mas.audit.trails import Trail
from mas.errors import ConfigurationError, IntegrityError
from mas.keys import Keys
from mas.redis import Redis, Reply
from mas.threads import in_thread

_PAGE: Final = 1000
_AHEAD: Final = 4  # ranges asked for before they are looked at
_STRANGERS: Final = 100  # entries read of a range beyond those that its seal counts
_HELD: Final = 10_000  # lines of a file that wait for their seal
_Line = tuple[str, bytes]
Wanted = Callable[[RangeSeal], bool]
"""Says of a range, going by its seal, whether it may matter."""


class Chunk(NamedTuple):
    """Records of one trail, or one seal."""

    trail: Trail | None
    """None for a seal."""
    entries: list[Raw]


async def read_live(redis: Redis, keys: Keys, *, wanted: Wanted = lambda _: True) -> AsyncGenerator[Chunk]:
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
                after = ends[seal.trail]
                # One that leads back is no sealer's: nothing is to be read twice for it.
                ends[seal.trail] = max(after, seal.last, key=order)
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


async def read_after(redis: Redis, keys: Keys, trail: Trail, after: str) -> AsyncGenerator[list[Raw]]:
    """Yield what stands in a trail after an entry, page by page, up to its present end."""
    position = f"({after}"
    while page := await redis.call("XRANGE", trail.stream(keys), position, "+", "COUNT", _PAGE):
        yield page
        position = f"({page[-1][0].decode()}"


def read_file(
    path: Path,
    *,
    wanted: Wanted | None = None,
    damage: Callable[[IntegrityError], None] | None = None,
    reached: Callable[[float], None] = lambda _: None,
) -> Iterator[Chunk]:
    """Yield an exported or archived trail.

    :param wanted: asked of each seal; the records of the others are passed over
    :param damage: told of each line that is no entry, which is passed over, and of damage to the whole file
    :param reached: told now and then which share of the file has been read, from 0 to 1
    :raises ConfigurationError: if the file cannot be opened
    :raises IntegrityError: if it is damaged and nobody is told
    """
    for lines in _ranges(numbered(path, reached=reached), damage):
        if wanted is not None and is_seal(lines[-1][1]):
            _, seal = entry_of(*lines[-1])
            link = sealed_of(seal)
            if link is not None and isinstance(link.seal, RangeSeal) and not wanted(link.seal):
                yield Chunk(None, [seal])
                continue
        yield from _decoded(lines, damage)


async def read_file_apart(
    path: Path,
    *,
    wanted: Wanted | None = None,
    damage: Callable[[IntegrityError], None] | None = None,
) -> AsyncGenerator[Chunk]:
    """Yield what `read_file` does, each chunk read in a thread: unpacking and decoding take their time."""
    chunks = read_file(path, wanted=wanted, damage=damage)
    while chunk := await in_thread(_next, chunks):
        yield chunk


def _next(chunks: Iterator[Chunk]) -> Chunk | None:
    return next(chunks, None)


def _ranges(lines: Iterable[_Line], damage: Callable[[IntegrityError], None] | None) -> Iterator[list[_Line]]:
    """Yield some lines at a time: those of a range, and its seal as the last one."""
    held: list[_Line] = []
    try:
        for place, line in lines:
            held.append((place, line))
            if is_seal(line) or len(held) >= _HELD:
                yield held
                held = []
    except IntegrityError as error:
        if damage is None:
            raise
        damage(error)
    if held:
        yield held


def _decoded(lines: Iterable[_Line], damage: Callable[[IntegrityError], None] | None) -> Iterator[Chunk]:
    pages: dict[Trail, list[Raw]] = {}
    for place, line in lines:
        try:
            name, entry = entry_of(place, line)
        except IntegrityError as error:
            if damage is None:
                raise
            damage(error)
            continue
        if name != SEALS:
            pages.setdefault(Trail(name), []).append(entry)
            continue
        for trail, page in pages.items():
            yield Chunk(trail, page)
        pages = {}
        yield Chunk(None, [entry])
    for trail, page in pages.items():
        yield Chunk(trail, page)


def outside_seals(path: Path) -> list[Raw]:
    """Return the seals in a file of a sink; a line that a crash cut short is passed over.

    :raises ConfigurationError: if the file cannot be opened, or holds no seal
    :raises IntegrityError: if it is damaged as a whole
    """
    found: list[Raw] = []
    for _, line in numbered(path):
        with suppress(ValueError):
            name, entry = read_line(line)
            if name == SEALS:
                found.append(entry)
    if not found:
        raise ConfigurationError("holds no seal", where=str(path))
    return found
