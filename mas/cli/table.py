"""Lines of text in columns, safe to print."""

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
