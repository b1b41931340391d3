"""The board as one HTML page: whole without JavaScript, which only keeps it fresh. Everything is escaped."""

from collections.abc import Iterable
from html import escape

from mas.ops.board import Board, Fact, Row, Table


def write_page(board: Board) -> str:
    """Return the page."""
    state = "ready" if board.ready else "not ready"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>MAS · {escape(board.title)}</title>
<link rel="stylesheet" href="/dashboard.css">
<script src="/dashboard.js" defer></script>
</head>
<body>
<header>
<h1><span class="mark">MAS</span> <span id="title">{escape(board.title)}</span></h1>
<p id="about">{escape(board.about)}</p>
<p id="state" class="pill" data-mood="{"good" if board.ready else "bad"}">{state}</p>
</header>
<p id="stale" hidden></p>
<ul id="troubles"{"" if board.troubles else " hidden"}>{_items(board.troubles)}</ul>
<main>
<section id="facts">{"".join(map(_fact, board.facts))}</section>
<div id="tables">{"".join(map(_table, board.tables))}</div>
</main>
<footer>Read-only. <a href="/metrics">metrics</a> · <a href="/readyz">readiness</a> ·
<a href="/api/state">state as JSON</a> · <span id="fresh">as of the last load</span></footer>
</body>
</html>
"""


def _items(texts: Iterable[str]) -> str:
    return "".join(f"<li>{escape(text)}</li>" for text in texts)


def _fact(fact: Fact) -> str:
    return (
        f'<div class="fact" data-mood="{fact.mood}"><h2>{escape(fact.label)}</h2>'
        f"<p>{escape(fact.text)}</p><small>{escape(fact.note)}</small></div>"
    )


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in table.head)
    rows = "".join(_row(row, table.head) for row in table.rows)
    return (
        f'<section class="table" data-key="{escape(table.key)}"><h2>{escape(table.title)}</h2>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<small>{escape(table.note)}</small></section>"
    )


def _row(row: Row, head: tuple[str, ...]) -> str:
    depths = [f' data-depth="{min(row.depth, 6)}"', *[""] * (len(head) - 1)]
    cells = "".join(
        f'<td data-label="{escape(label)}"{depth}>{escape(cell)}</td>'
        for label, depth, cell in zip(head, depths, row.cells, strict=True)
    )
    return f'<tr data-mood="{row.mood}">{cells}</tr>'
