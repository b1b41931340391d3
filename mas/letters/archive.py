"""Archives of dead letters: compressed files of one letter a line, exactly as its entry held it.

A letter keeps its MAC, so one that is put back is believed as before, and one that was edited is not.
"""

import gzip
import os
import re
import secrets
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from mas.errors import MasError

_NAME = re.compile(r"dlq-[0-9]+-[0-9]+-[0-9]+-[0-9]+-([0-9]+)\.jsonl\.gz").fullmatch


class Archived(msgspec.Struct, frozen=True):
    """One letter as its archive has it."""

    id: str
    """Its entry's id, before."""
    letter: str
    """MAC and body."""


def name_of(letters: list[Archived]) -> str:
    """Return the name of an archive: first and last id, and how many letters it holds."""
    return f"dlq-{letters[0].id}-{letters[-1].id}-{len(letters)}.jsonl.gz"


def archives_in(directory: Path) -> list[Path]:
    """Return the archives of a directory, oldest first."""
    found = (path for path in directory.glob("dlq-*.jsonl.gz") if _NAME(path.name))
    return sorted(found, key=lambda path: [int(number) for number in re.findall("[0-9]+", path.name)])


def count_in(directory: Path) -> int:
    """Return how many letters the archives of a directory hold, as their names say."""
    return sum(int(named[1]) for path in archives_in(directory) if (named := _NAME(path.name)))


def read_archives(directory: Path) -> Iterator[Archived]:
    """Yield the letters of all archives, each once, oldest first.

    :raises MasError: if an archive cannot be read
    """
    seen: set[str] = set()
    for path in archives_in(directory):
        try:
            with gzip.open(path) as file:
                for line in file:
                    archived = msgspec.json.decode(line, type=Archived)
                    # A crash between file and trim leaves a letter for the next archive as well.
                    if archived.id not in seen:
                        seen.add(archived.id)
                        yield archived
        except (OSError, EOFError, zlib.error, msgspec.DecodeError) as error:
            raise MasError(f"the archive {path} cannot be read: {error}") from error


def write_archive(directory: Path, letters: Iterable[Archived]) -> Path:
    """Put letters into an archive on the disk, whole, and return it.

    :raises OSError: if that fails; nothing must be trimmed then
    """
    listed = list(letters)
    path = directory / name_of(listed)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        lines = b"".join(msgspec.json.encode(letter) + b"\n" for letter in listed)
        file.write(gzip.compress(lines, mtime=0))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return path
