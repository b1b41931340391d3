"""Settle overlaps: of finds on the same characters the most specific stays."""

from collections.abc import Iterable

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


def most_specific(finds: Iterable[Find]) -> list[Find]:
    """Return the finds that remain, in the order of the text.

    A custom class is taken to be the most specific of all: somebody asked for it by name.
    """
    ranked = sorted(
        finds, key=lambda f: (PRECEDENCE.get(f.kind, -1), -f.confidence, f.start - f.end, f.start)
    )
    kept: list[Find] = []
    taken: list[tuple[int, int]] = []
    for find in ranked:
        if not _overlaps(taken, find.start, find.end):
            _insert(taken, find.start, find.end)
            kept.append(find)
    return sorted(kept, key=lambda f: f.start)


def _overlaps(taken: list[tuple[int, int]], start: int, end: int) -> bool:
    at = _place(taken, start)
    return (at > 0 and taken[at - 1][1] > start) or (at < len(taken) and taken[at][0] < end)


def _insert(taken: list[tuple[int, int]], start: int, end: int) -> None:
    taken.insert(_place(taken, start), (start, end))


def _place(taken: list[tuple[int, int]], start: int) -> int:
    low, high = 0, len(taken)
    while low < high:
        middle = (low + high) // 2
        if taken[middle][0] < start:
            low = middle + 1
        else:
            high = middle
    return low
