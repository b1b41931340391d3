"""Old records go into a file, and out of Redis: whole ranges with their seals, never what is unsealed.

The file is complete on the disk before anything is trimmed, and the trim is itself a link of the chain,
appended in the same step. So at any moment each record is in Redis, in an archive, or in both.
"""

import gzip
import hashlib
import io
import itertools
import os
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from mas.audit.entry import Raw, order
from mas.audit.lines import SEALS, write_line
from mas.audit.seal import RangeSeal, Sealed, sealed_of
from mas.audit.trails import Trail
from mas.keys import Keys
from mas.redis import Redis
from mas.threads import in_thread

AT_ONCE = 100
"""Seals that go into one archive at most."""
_NAME = re.compile(r"audit-(\d{10,})-(\d{10,})\.jsonl(?:\.gz)?", re.ASCII).fullmatch
_ABANDONED = 3600.0
"""Seconds after which nobody is at work on a draft any more; to write one takes a few."""
_LEVEL = 3
"""Of gzip: the best one takes seven times as long, and saves a tenth of the bytes."""
_LARGEST = 50_000
"""Records that go into one archive at most, unless a single seal covers more."""


class Portion(NamedTuple):
    """What one archive takes: a run of seals from the oldest on."""

    seals: Sequence[Raw]
    upto: Sealed
    keep_from: bytes
    """The entry of the first seal that stays."""
    records: int


async def overdue(redis: Redis, keys: Keys, *, surplus: int, before: float) -> Portion | None:
    """Return what must go next, None if nothing must. The chain's last link always stays.

    :param surplus: how many sealed records are too many
    :param before: records older than this must go, in seconds since the epoch
    """
    oldest = await redis.call("XRANGE", keys.audit_seals, "-", "+", "COUNT", 1)
    if not oldest or (surplus <= 0 and order(oldest[0][0])[0] / 1000 >= before):
        return None
    page = await redis.call("XRANGE", keys.audit_seals, "-", "+", "COUNT", AT_ONCE + 1)
    records, upto, count = 0, None, 0
    for number, entry in enumerate(page[:-1], 1):
        link = sealed_of(entry)
        if link is None:
            continue
        if isinstance(link.seal, RangeSeal):
            young = order(link.seal.last)[0] / 1000 >= before
            if (records >= surplus and young) or (records and records + link.seal.count > _LARGEST):
                break
            records += link.seal.count
        upto, count = link, number
    if upto is None or not (records or count == AT_ONCE):
        # Links without a record go along with those that have some, unless there are too many of them.
        return None
    return Portion(page[:count], upto, page[count][0], records)


async def pack(redis: Redis, keys: Keys, seals: Iterable[Raw]) -> bytes:
    """Return the content of an archive: each range's records, then their seal."""
    unpacked, ends = io.BytesIO(), dict.fromkeys(Trail, "0-0")
    for entry in seals:
        link = sealed_of(entry)
        # Whatever a trim up to here takes away goes along, also where somebody deleted its seal.
        for trail, end in link.seal.state.ends.items() if link is not None else ():
            if order(end) > order(ends[trail]):
                records = await redis.call("XRANGE", trail.stream(keys), f"({ends[trail]}", end)
                unpacked.write(b"".join(write_line(trail, record) for record in records))
                ends[trail] = end
        unpacked.write(write_line(SEALS, entry))
    return await in_thread(_zip, unpacked.getvalue())


def name_of(portion: Portion) -> str:
    """Return the name of a portion's archive: the numbers of its first and last seal."""
    first = next(link for entry in portion.seals if (link := sealed_of(entry)))
    return f"audit-{first.seal.sequence:010d}-{portion.upto.seal.sequence:010d}.jsonl.gz"


def seals_named(path: Path) -> tuple[int, int] | None:
    """Return the numbers of the first and last seal in an archive, as its name says; None if it is none."""
    named = _NAME(path.name)
    return (int(named[1]), int(named[2])) if named else None


async def keep(content: bytes, path: Path) -> str:
    """Put an archive on the disk, whole, and return its SHA-256 as hex.

    :raises OSError: if that fails; nothing must be trimmed then
    """
    return await in_thread(_keep, content, path)


def archives_in(directory: Path) -> Iterable[Path]:
    """Return the archives of a directory, oldest first."""
    return sorted(directory.glob("audit-*.jsonl.gz"))


class Archive(NamedTuple):
    """One archive on the disk."""

    path: Path
    first: int
    """The number of its first seal."""
    last: int
    size: int
    """Bytes."""


def listed(directory: Path) -> list[Archive]:
    """Return what archives a directory holds, oldest first, by their names.

    :raises OSError: if it cannot be read
    """
    return [
        Archive(path, int(named[1]), int(named[2]), path.stat().st_size)
        for path in archives_in(directory)
        if (named := _NAME(path.name))
    ]


def holes(archives: Iterable[Archive], first: int, last: int) -> list[tuple[int, int]]:
    """Return the runs of seals from `first` to `last` that no archive has."""
    found, due = [], first
    for each in sorted(archives, key=lambda each: each.first):
        if each.first > last:
            break
        if each.first > due:
            found.append((due, each.first - 1))
        due = max(due, each.last + 1)
    return [*found, (due, last)] if due <= last else found


def _zip(content: bytes) -> bytes:
    return gzip.compress(content, _LEVEL, mtime=0)


def _set_aside(path: Path, content: bytes) -> None:
    """Move an archive of the same name but of another chain out of the way: none is ever overwritten."""
    if path.exists() and path.read_bytes() != content:
        number = next(n for n in itertools.count(1) if not os.path.lexists(f"{path}.{n}"))
        path.rename(f"{path}.{number}")


def _keep(content: bytes, path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(path.parent)
    # In two containers that share the directory, processes may have the same id.
    draft = path.with_name(f"{path.name}.draft-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _set_aside(path, content)
        draft.replace(path)
    finally:
        # A disk that is full is not to be kept full.
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return hashlib.sha256(content).hexdigest()


def _sweep(directory: Path) -> None:
    """Remove what processes left that were killed over an archive."""
    for draft in directory.glob("audit-*.jsonl.gz.draft-*"):
        if draft.stat().st_mtime < time.time() - _ABANDONED:
            draft.unlink(missing_ok=True)
