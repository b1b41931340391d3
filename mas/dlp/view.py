"""A reading of a text: what the rules see, and where in the original each character of it stood."""

from array import array
from collections.abc import Iterable


class View:
    """ASCII text and its way back to the original.

    A view whose characters stand one for one for the original's, after a prefix that the original does not
    have, keeps no map. `repr` shows no text: a view holds what must not be logged.
    """

    __slots__ = ("_ends", "_starts", "prefix", "text")

    def __init__(
        self, text: str, prefix: int = 0, starts: "array[int] | None" = None, ends: "array[int] | None" = None
    ) -> None:
        self.text, self.prefix = text, prefix
        self._starts, self._ends = starts, ends

    def __repr__(self) -> str:
        return f"View({len(self.text)} characters)"

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Translate a non-empty span of this view into a span of the original."""
        if self._starts is None or self._ends is None:
            return max(start - self.prefix, 0), end - self.prefix
        return self._starts[start], self._ends[end - 1]

    def rewrite(self, changes: Iterable[tuple[int, int, str]]) -> "View":
        """Return a view with spans replaced; each new character stands for the whole span it replaces.

        :param changes: start, end and replacement, ascending and without overlap
        """
        changes = list(changes)
        if not changes:
            return self
        pieces: list[str] = []
        at = 0
        for start, end, new in changes:
            pieces += (self.text[at:start], new)
            at = end
        pieces.append(self.text[at:])
        text = "".join(pieces)
        if self._starts is None and all(end - start == len(new) == 1 for start, end, new in changes):
            return View(text, self.prefix)
        starts, ends = array("l"), array("l")
        at = 0
        for start, end, new in changes:
            self._copy_origins(starts, ends, at, start)
            first, last = self.origin(start, end)
            starts.extend([first] * len(new))
            ends.extend([last] * len(new))
            at = end
        self._copy_origins(starts, ends, at, len(self.text))
        return View(text, self.prefix, starts, ends)

    def _copy_origins(self, starts: "array[int]", ends: "array[int]", start: int, end: int) -> None:
        if self._starts is None or self._ends is None:
            starts.extend(range(start - self.prefix, end - self.prefix))
            ends.extend(range(start - self.prefix + 1, end - self.prefix + 1))
        else:
            starts.extend(self._starts[start:end])
            ends.extend(self._ends[start:end])
