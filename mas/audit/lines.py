"""A trail as text: one entry a line, JSON, every byte that a digest covers kept.

A record and a seal stand in their line as the JSON they are, so that any tool can read them; what is no
record of ours, because somebody put it there, stands as base64. Archives, exports and the seals outside
Redis are all written so.
"""

import base64
import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from mas.audit.entry import Raw
from mas.audit.trails import Trail
from mas.errors import ConfigurationError, IntegrityError

SEALS = "seals"
"""Stands where a trail's name stands, for a seal."""


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    trail: str
    id: str
    record: msgspec.Raw = msgspec.Raw(b"")
    mac: str = ""
    seal: msgspec.Raw = msgspec.Raw(b"")
    signature: str = ""
    fields: list[str] | None = None
    """As base64, where the entry is neither."""


_is_id = re.compile(r"\d{1,20}-\d{1,20}", re.ASCII).fullmatch
_OFTEN = 500
"""Lines after which it is told again how far a file has been read."""
_NAMES = {SEALS, *map(str, Trail)}
_SHAPES = {b"record": b"mac", b"seal": b"signature"}


def write_line(trail: str, entry: Raw) -> bytes:
    """Return an entry as a line, with its end.

    :param trail: its trail's name, or `SEALS`
    """
    entry_id, fields = entry[0].decode(), entry[1]
    if len(fields) == 4 and _SHAPES.get(fields[0]) == fields[2] and _is_plain(fields[1], fields[3]):
        body, proof = msgspec.Raw(fields[1]), fields[3].decode()
        if fields[0] == b"record":
            return _encode(_Line(trail, entry_id, record=body, mac=proof)) + b"\n"
        return _encode(_Line(trail, entry_id, seal=body, signature=proof)) + b"\n"
    coded = [base64.b64encode(field).decode() for field in fields]
    return _encode(_Line(trail, entry_id, fields=coded)) + b"\n"


def read_line(line: bytes) -> tuple[str, Raw]:
    """Return the trail's name, or `SEALS`, and the entry of a line.

    :raises ValueError: if it is no such line
    """
    try:
        read = _decode(line)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if read.trail not in _NAMES or not _is_id(read.id):
        raise ValueError(f"{read.trail[:60]} {read.id[:60]}")
    if read.fields is not None:
        fields = [base64.b64decode(field, validate=True) for field in read.fields]
    elif read.trail == SEALS:
        fields = [b"seal", bytes(read.seal), b"signature", read.signature.encode()]
    else:
        fields = [b"record", bytes(read.record), b"mac", read.mac.encode()]
    return read.trail, [read.id.encode(), fields]


def numbered(path: Path, *, reached: Callable[[float], None] = lambda _: None) -> Iterator[tuple[str, bytes]]:
    """Yield each line of a file behind its place; a file whose name ends in `.gz` is unpacked.

    :param reached: told now and then which share of the file has been read, from 0 to 1
    :raises ConfigurationError: if the file cannot be opened
    :raises IntegrityError: if it is damaged from some line on
    """
    number = 0
    try:
        with path.open("rb") as raw:
            size = os.fstat(raw.fileno()).st_size
            with _unpacked(raw, path) as file:
                for line in file:
                    number += 1
                    if number % _OFTEN == 0 and size:
                        reached(raw.tell() / size)
                    yield f"{path}:{number}", line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise IntegrityError(f"{path}:{number + 1}", f"the file is damaged from here on: {error}") from error
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror or error}", where=str(path)) from error


def entry_of(place: str, line: bytes) -> tuple[str, Raw]:
    """Return what `read_line` does.

    :param place: what to call the line if it is none of ours
    :raises IntegrityError: if it is none of ours
    """
    try:
        return read_line(line)
    except ValueError as error:
        problem = "this line is no entry of a trail; was it cut off, or edited?"
        raise IntegrityError(place, problem) from error


def is_seal(line: bytes) -> bool:
    """Say whether a line looks like a seal's, as `write_line` writes it."""
    return line.startswith(b'{"trail":"seals",')


def _unpacked(raw: BinaryIO, path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if path.suffix == ".gz" else raw


def _is_plain(body: bytes, proof: bytes) -> bool:
    """Say whether a line keeps these as they are: JSON on one line, with nothing around it, and ASCII."""
    try:
        same: Any = msgspec.json.decode(body, type=msgspec.Raw)
        body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return (
        bytes(same) == body and b"\n" not in body and b"\r" not in body and proof.isascii() and proof != b""
    )


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode
