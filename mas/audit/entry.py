"""An entry of a trail: its digest, and what of its record the seals look at."""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from mas.trust.mac import mac

Raw = list[Any]
"""An entry as Redis returns it: id, then names and values in turn; all bytes."""
MARK = 6
"""Bytes of an entry's digest that a seal keeps, to name the one that was changed."""


class Head(msgspec.Struct, frozen=True):
    """What the sealer reads of any record; of an event the rest is empty, and the other way round."""

    run: str
    commit: int
    count: int
    voids: str = ""
    sender: str = ""
    target: str = ""
    decision: str = ""
    violations: dict[str, int] = {}
    event: str = ""
    subject: str = ""
    gateway: str = ""


def digests(entries: Iterable[Raw]) -> list[bytes]:
    """Return the SHA-256 of each entry, over its id and its fields as MessagePack."""
    return [_sha256(_pack(entry)).digest() for entry in entries]


def range_hash(of: Iterable[bytes]) -> str:
    """Return the hash over a range of entries, given their digests, as hex."""
    return _sha256(b"".join(of)).hexdigest()


def record_of(entry: Raw) -> bytes | None:
    """Return the record in an entry, None if its fields are not those of one."""
    fields = entry[1]
    return fields[1] if len(fields) == 4 and fields[0] == b"record" and fields[2] == b"mac" else None


def open_entry(entry: Raw, key: bytes | None) -> Head | str:
    """Return the head of a record, or what is wrong with its entry.

    :param key: of its trail; without one the MAC is not checked
    """
    fields = entry[1]
    if len(fields) != 4 or fields[0] != b"record" or fields[2] != b"mac":
        return "it is no record"
    body = fields[1]
    if key is not None and mac(key, body).encode() != fields[3]:
        return "its MAC is wrong: it was altered, or not written by a gateway"
    try:
        return _decode(body)
    except msgspec.DecodeError:
        return "its record does not decode"


def order(entry_id: str | bytes) -> tuple[int, int]:
    """Return an entry's id as numbers, which order as its stream does."""
    ms, _, sequence = (entry_id.decode() if isinstance(entry_id, bytes) else entry_id).partition("-")
    return int(ms), int(sequence or 0)


_sha256 = hashlib.sha256
_pack = msgspec.msgpack.Encoder().encode
_decode = msgspec.json.Decoder(Head).decode
