"""What a read returned, entry by entry."""

from collections.abc import Iterator
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """One entry of a stream."""

    stream: bytes
    id: bytes
    fields: list[bytes] | None
    """Names and values in turn; None for an entry that was deleted while it was pending."""


def entries_of(read: list[Any] | None) -> Iterator[Entry]:
    """Walk the answer of XREADGROUP."""
    for stream, entries in read or ():
        for entry_id, fields in entries:
            yield Entry(stream, entry_id, fields)


def value_of(fields: list[bytes], name: bytes) -> bytes | None:
    """Return the value of a field, None if it is not there."""
    for at in range(0, len(fields) - 1, 2):
        if fields[at] == name:
            return fields[at + 1]
    return None
