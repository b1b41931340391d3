"""Which numbers a card issuer could have given out, and which digits of a generous match are one."""

from mas.dlp.candidate import Candidate

# First and last prefix, and the lengths issued under it.
_RANGES: tuple[tuple[str, int, int, frozenset[int]], ...] = (
    ("visa", 4, 4, frozenset({13, 16, 19})),
    ("mastercard", 51, 55, frozenset({16})),
    ("mastercard", 2221, 2720, frozenset({16})),
    ("amex", 34, 34, frozenset({15})),
    ("amex", 37, 37, frozenset({15})),
    ("discover", 6011, 6011, frozenset({16, 19})),
    ("discover", 644, 649, frozenset({16, 19})),
    ("discover", 65, 65, frozenset({16, 19})),
    ("unionpay", 62, 62, frozenset({16, 17, 18, 19})),
    ("unionpay", 81, 81, frozenset({16, 17, 18, 19})),
    ("jcb", 3528, 3589, frozenset({16, 17, 18, 19})),
    ("jcb", 1800, 1800, frozenset({15})),
    ("jcb", 2131, 2131, frozenset({15})),
    ("diners", 300, 305, frozenset({14, 16, 19})),
    ("diners", 309, 309, frozenset({14, 16, 19})),
    ("diners", 36, 36, frozenset({14, 16, 19})),
    ("diners", 38, 39, frozenset({14, 16, 19})),
    ("mir", 2200, 2204, frozenset({16, 17, 18, 19})),
    ("rupay", 508, 508, frozenset({16})),
    ("rupay", 60, 60, frozenset({16})),
    ("rupay", 82, 82, frozenset({16})),
    ("troy", 9792, 9792, frozenset({16})),
    ("uzcard", 8600, 8600, frozenset({16})),
    ("humo", 9860, 9860, frozenset({16})),
    ("elo", 6277, 6277, frozenset({16})),
    ("elo", 6363, 6363, frozenset({16})),
    ("maestro", 50, 50, frozenset({12, 13, 14, 15, 16, 17, 18, 19})),
    ("maestro", 56, 58, frozenset({12, 13, 14, 15, 16, 17, 18, 19})),
    ("maestro", 63, 63, frozenset({16, 17, 18, 19})),
    ("maestro", 67, 67, frozenset({16, 17, 18, 19})),
    ("interpayment", 636, 636, frozenset({16, 17, 18, 19})),
)
_GROUPINGS = frozenset(
    {
        (4, 4, 4, 4),
        (4, 6, 5),
        (4, 6, 4),
        (4, 4, 4, 4, 3),
        (4, 4, 4, 1),
        (4, 3, 3, 3),
        (8, 8),
        (6, 10),
        (6, 13),
    }
)


def luhn(digits: str) -> bool:
    """Say whether the last digit is the Luhn check digit of the others."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = ord(digit) - 48
        if place & 1:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def issuer(digits: str) -> str | None:
    """Return who issues cards with such a prefix and length, or None where nobody does."""
    for name, first, last, lengths in _RANGES:
        width = len(str(first))
        if len(digits) in lengths and first <= int(digits[:width]) <= last:
            return name
    return None


def is_card(digits: str) -> bool:
    """Say whether the digits could be a payment card number: issuer, length and check digit agree."""
    return issuer(digits) is not None and len(set(digits)) > 1 and luhn(digits)


def card_within(candidate: Candidate) -> Candidate | None:
    """Find the card number in a run of digit groups that may go on into its expiry date or its neighbour."""
    groups = _groups(candidate)
    best: tuple[int, Candidate] | None = None
    for first in range(len(groups)):
        digits = ""
        for last in range(first, len(groups)):
            digits += candidate.text[groups[last][0] : groups[last][1]]
            if len(digits) > 19:
                break
            whole = first == 0 and last == len(groups) - 1
            if len(digits) >= (12 if whole else 15) and is_card(digits):
                shape = tuple(end - start for start, end in groups[first : last + 1])
                if len(shape) > 1 and shape not in _GROUPINGS and not _evenly(shape):
                    continue
                found = candidate.spanning(groups[first][0], groups[last][1])
                score = 2 if len(digits) in {15, 16} else 1
                if best is None or score > best[0]:
                    best = (score, found)
        if best is not None:
            break
    return best[1] if best else None


def _evenly(shape: tuple[int, ...]) -> bool:
    """Whether the groups are of one size, a shorter rest aside: the spaced-out forms."""
    return len(set(shape[:-1])) == 1 and shape[-1] <= shape[0] and shape[0] <= 5


def _groups(candidate: Candidate) -> list[tuple[int, int]]:
    """Return the spans of the runs of digits in the candidate."""
    spans: list[tuple[int, int]] = []
    start: int | None = None
    for at in range(candidate.start, candidate.end + 1):
        digit = at < candidate.end and candidate.text[at].isdigit()
        if digit and start is None:
            start = at
        elif not digit and start is not None:
            spans.append((start, at))
            start = None
    return spans
