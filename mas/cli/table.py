"""Lines of text in columns, safe to print."""

import shutil
import sys
from collections.abc import Iterable, Sequence

from mas.cli.printable import printable

_GAP = "  "


def columns(rows: Iterable[Sequence[object]]) -> list[str]:
    """Return a line for each row, with the cells below one another and no column that is empty."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width).rstrip()
        for row in cells
    ]


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return a line of headings and one for each row."""
    return columns([headings, *rows])


def cut(line: str, width: int | None) -> str:
    """Return a line as a terminal shows it on one line.

    :param width: its columns; None: as many as it takes
    """
    return line if width is None or len(line) <= width else f"{line[: max(width, 1) - 1]}…"


def terminal_width() -> int | None:
    """Return the columns of the terminal that standard output is; None: it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
