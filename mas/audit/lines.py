"""A trail as text: one entry a line, JSON, every byte that a digest covers kept.

A record and a seal stand in their line as the JSON they are, so that any tool can read them; what is no
record of ours, because somebody put it there, stands as base64. Archives, exports and the seals outside
Redis are all written so.
"""

import base64
import gzip
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from mas.audit.entry import Raw
from mas.errors import ConfigurationError

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
    read = _decode(line)
    if not _is_id(read.id):
        raise ValueError(read.id)
    if read.fields is not None:
        fields = [base64.b64decode(field, validate=True) for field in read.fields]
    elif read.trail == SEALS:
        fields = [b"seal", bytes(read.seal), b"signature", read.signature.encode()]
    else:
        fields = [b"record", bytes(read.record), b"mac", read.mac.encode()]
    return read.trail, [read.id.encode(), fields]


def read_lines(path: Path, *, patient: bool = False) -> Iterator[tuple[str, Raw]]:
    """Yield what the lines of a file hold; one whose name ends in `.gz` is unpacked.

    :param patient: pass over a line that is none of ours, as a crash leaves one behind
    :raises ConfigurationError: if the file cannot be read, or a line is none of ours
    """
    number = 0
    try:
        with closing(_open(path)) as file:
            for line in file:
                number += 1
                try:
                    entry = read_line(line)
                except ValueError:
                    if patient:
                        continue
                    raise
                yield entry
    except (OSError, EOFError) as error:
        raise ConfigurationError(
            f"cannot be read: {getattr(error, 'strerror', None) or error}", where=str(path)
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            "this line is no entry of a trail", where=f"{path}:{number}", hint="was it cut off, or edited?"
        ) from error


def _open(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _is_plain(body: bytes, proof: bytes) -> bool:
    """Say whether a line keeps these as they are: JSON on one line, with nothing around it, and ASCII."""
    try:
        same: Any = msgspec.json.decode(body, type=msgspec.Raw)
        body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return (
        bytes(same) == body and b"\n" not in body and b"\r" not in body and proof.isascii() and proof != b""
    )


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode
