"""Settle overlaps: of finds on the same characters the most specific stays."""

import attrs

from mas.dlp.classes import PRECEDENCE


@attrs.frozen(slots=True)
class Find:
    """A confirmed find in one text.

    :param start: offset of its first character in the original text
    :param end: offset after its last
    :param value: the folded value, for its digest and for allow lists; never shown
    """

    kind: str
    rule: str
    start: int
    end: int
    confidence: float
    value: str = attrs.field(repr=False)


def most_specific(finds: list[Find]) -> list[Find]:
    """Return the finds that remain, in the order of the text.

    A custom class is taken to be the most specific of all: somebody asked for it by name.
    """
    if len(finds) < 2:
        return finds
    taken = bytearray(max(find.end for find in finds))
    kept: list[Find] = []
    for find in sorted(finds, key=_specificity):
        if taken.find(1, find.start, find.end) < 0:
            taken[find.start : find.end] = b"\1" * (find.end - find.start)
            kept.append(find)
    return sorted(kept, key=lambda find: find.start)


def _specificity(find: Find) -> tuple[int, float, int, int]:
    return PRECEDENCE.get(find.kind, -1), -find.confidence, find.start - find.end, find.start
