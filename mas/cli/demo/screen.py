"""Show a play on a terminal in colours, elsewhere as plain lines."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from rich.console import Console
from rich.text import Text

Mark = Literal["asks", "answers", "refused", "crashed", "waits", "back"]

_MARKS: dict[Mark, tuple[str, str, str]] = {
    "asks": ("─▶", "->", "cyan"),
    "answers": ("◀─", "<-", "green"),
    "refused": ("─✗", "-x", "red"),
    "crashed": ("✗ ", "x ", "red"),
    "waits": ("↻ ", "~ ", "yellow"),
    "back": ("✓ ", "* ", "green"),
}
"""What stands between two actors: in Unicode, in ASCII, and its colour."""


class Screen:
    """Lines that begin with the seconds since the start."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, emoji=False)
        self._began = time.monotonic()
        self._plain = not self._console.encoding.lower().startswith("utf")

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    @contextmanager
    def waiting(self, text: str) -> Generator[None]:
        """Show on a terminal that something is under way."""
        if not self._console.is_terminal or self._plain:
            yield
            return
        with self._console.status(text, spinner="dots"):
            yield

    def title(self, text: str, note: str) -> None:
        """Say what this is."""
        self._print(Text.assemble("\n  ", (text, "bold"), "  ", (note, "dim")))

    def scene(self, text: str) -> None:
        """Begin something new."""
        self._print(Text.assemble("\n  ", (text, "bold")))

    def line(self, actor: str, mark: Mark, other: str, text: str, note: str = "") -> None:
        """Show what one does to another, or what becomes of it."""
        rich, ascii_mark, colour = _MARKS[mark]
        self._print(
            Text.assemble(
                (f"  {self.elapsed:6.2f} s  ", "dim"),
                f"{actor:<9}",
                (f"{ascii_mark if self._plain else rich} ", colour),
                f"{other:<10}",
                (text, colour if mark in {"refused", "crashed"} else ""),
                (f"  {note}" if note else "", "dim"),
            )
        )

    def fact(self, name: str, text: str) -> None:
        """Show something that holds."""
        self._print(Text.assemble((f"  {self.elapsed:6.2f} s  ", "dim"), f"{name:<9}", text))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)
        sys.stdout.flush()
