"""An entry of a trail: its digest, and what of its record the seals look at."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from mas.trust.mac import keyed

Raw = list[Any]
"""An entry as Redis returns it: id, then names and values in turn; all bytes."""
MARK = 6
"""Bytes of an entry's digest that a seal keeps, to name the one that was changed."""


class Head(msgspec.Struct, frozen=True, gc=False):
    """What the sealer reads of any record; of an event the rest is empty, and the other way round."""

    # Not tracked by the garbage collector, as it can be in no cycle: there is one for each record.

    run: str
    commit: int
    count: int
    voids: str = ""
    sender: str = ""
    target: str = ""
    decision: str = ""
    violations: dict[str, int] | None = None
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


def open_entries(entries: Sequence[Raw], key: bytes | None) -> list[Head | str]:
    """Return the head of each record, or what is wrong with its entry.

    :param key: of their trail; without one the MACs are not checked
    """
    # The sealer spends most of its time here, beside the gateway: so no call that can be spared.
    copy = None if key is None else keyed(key).copy
    heads: list[Head | str] = []
    for _, fields in entries:
        if len(fields) != 4 or fields[0] != b"record" or fields[2] != b"mac":
            heads.append("it is no record")
            continue
        body = fields[1]
        if copy is not None:
            state = copy()
            state.update(body)
            if state.hexdigest().encode() != fields[3]:
                heads.append("its MAC is wrong: it was altered, or not written by a gateway")
                continue
        try:
            heads.append(_decode(body))
        except (msgspec.DecodeError, RecursionError):
            heads.append("its record does not decode")
    return heads


def order(entry_id: str | bytes) -> tuple[int, int]:
    """Return an entry's id as numbers, which order as its stream does."""
    ms, _, sequence = (entry_id.decode() if isinstance(entry_id, bytes) else entry_id).partition("-")
    return int(ms), int(sequence or 0)


_sha256 = hashlib.sha256
_pack = msgspec.msgpack.Encoder().encode
_decode = msgspec.json.Decoder(Head).decode
