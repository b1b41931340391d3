"""Lines of text in columns, safe to print."""

from collections.abc import Iterator, Sequence

from mas.cli.printable import printable

_GAP = "  "


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Yield a line of headings and one for each row; every column is as wide as its widest cell."""
    lines = [tuple(headings), *(tuple(map(printable, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield _GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
