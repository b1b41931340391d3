"""A span that a rule's pattern matched, with the surroundings by which it is confirmed or dismissed."""

import re
from typing import Any

from mas.dlp.view import View

_LAST_CODE = re.compile(r"[A-Za-z0-9]+$")


class Candidate:
    """A possible find in one view of one text.

    `repr` shows no text: a candidate is what must not be logged.
    """

    __slots__ = ("end", "match_start", "start", "text", "view")

    def __init__(self, view: View, start: int, end: int, match_start: int) -> None:
        self.view, self.text = view, view.text
        self.start, self.end, self.match_start = start, end, match_start

    def __repr__(self) -> str:
        return f"Candidate({self.start}, {self.end})"

    @property
    def value(self) -> str:
        """The text of the span."""
        return self.text[self.start : self.end]

    def before(self, reach: int) -> str:
        """Return up to `reach` characters in front of the span, the key path of a JSON value included."""
        return self.text[max(0, self.start - reach) : self.start]

    def after(self, reach: int) -> str:
        """Return up to `reach` characters behind the span."""
        return self.text[self.end : self.end + reach]

    def near(self, words: Any, before: int = 60, after: int = 30) -> bool:
        """Say whether a compiled pattern occurs close in front of the span or close behind it."""
        return bool(words.search(self.before(before)) or (after and words.search(self.after(after))))

    def spanning(self, start: int, end: int) -> "Candidate":
        """Return the same candidate with another span."""
        return Candidate(self.view, start, end, self.match_start)

    @property
    def stands_alone(self) -> bool:
        """Whether the span is a token of its own, not the middle of a UUID, a hash, a version or a path."""
        return self._begins() and self._ends()

    def _begins(self) -> bool:
        """Let a word with a dash stand in front (`SSN-536...`), but no code (`a7f6-4466...`)."""
        left = self.text[max(0, self.start - 1) : self.start]
        if left.isalnum() or left == "_":
            return False
        if left not in {"-", ".", "/"}:
            return True
        joined = _LAST_CODE.search(self.before(12)[:-1])
        return joined is None or (joined[0].isalpha() and left != "/")

    def _ends(self) -> bool:
        right, beyond = self.text[self.end : self.end + 1], self.text[self.end + 1 : self.end + 2]
        if right.isalnum() or right == "_":
            return False
        return not (beyond.isdigit() if right == "." else beyond.isalnum() and right in {"-", "/"})
