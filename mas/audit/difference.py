"""Which entry of a sealed range is not as it was: the first one that does not fit its mark."""

from collections.abc import Sequence

from mas.audit.entry import MARK, Raw
from mas.audit.seal import RangeSeal


def difference(
    entries: Sequence[Raw], digests: Sequence[bytes], marks: Sequence[bytes], seal: RangeSeal
) -> tuple[str, str]:
    """Return where a range differs from what its seal covers, and how.

    :param digests: of the entries
    :param marks: that the seal keeps
    """
    found = [digest[:MARK] for digest in digests]
    at = next(
        (i for i, (a, b) in enumerate(zip(found, marks, strict=False)) if a != b), min(len(found), len(marks))
    )
    before = _id(entries[at - 1]) if at else seal.after
    if at == len(found) == len(marks):
        return seal.last, "the range does not fit its seal, although each mark does"
    if at == len(found):
        return before, f"after it, {_records(len(marks) - at)} removed"
    here = _id(entries[at])
    if at == len(marks):
        return here, "it was inserted"
    ours, expected = found[at], marks[at]
    if ours in marks[at:]:
        if expected in found[at:]:
            return here, "it is out of order"
        gone = marks.index(ours, at) - at
        return here, f"before it, {_records(gone)} removed"
    if ours in marks[:at]:
        return here, "it stands here a second time"
    if expected in found[at:]:
        copy = any(entries[at][1] == other[1] for i, other in enumerate(entries) if i != at)
        return here, "it is a copy of another" if copy else "it was inserted"
    return here, "it was altered"


def _id(entry: Raw) -> str:
    text: str = entry[0].decode("utf-8", "replace")
    return text


def _records(count: int) -> str:
    return "a record was" if count == 1 else f"{count} records were"
