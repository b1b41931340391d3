"""`mas ps`: every runner's supervision tree, as a tree or as JSON."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import anyio
import click
import msgspec

from mas.cli.deployment import operating
from mas.cli.printable import printable
from mas.cli.table import cut, terminal_width
from mas.steering import Node, Runner
from mas.steering.bulletin import INTERVAL
from mas.supervision import State

_HEADINGS: Final = ("", "STATE", "UPTIME", "RESTARTS", "PID", "LAST ERROR")
_COLOURS: Final = {
    "running": "green",
    "paused": "cyan",
    "stopped": None,
    "finished": None,
    "failed": "red",
    "overrun": "red",
}
_UP: Final = frozenset({State.RUNNING, State.PAUSED})
_CHANGING: Final = "yellow"
_OVERDUE: Final = INTERVAL + 1.0
_LEAST: Final = 20  # characters of an error that are shown however narrow the terminal is


def show_runners(config: Path | None, *, as_json: bool) -> None:
    """Print what runs on stdout.

    :param config: agents.yaml, or None to search for it
    """
    runners = anyio.run(shown_runners, config, backend="trio")
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(runners), indent=2))
        return
    if not runners:
        click.echo("nothing runs", err=True)
    width = terminal_width()
    for number, runner in enumerate(runners):
        if number:
            click.echo()
        for line in lines(runner, width):
            click.echo(line)


async def shown_runners(config: Path | None) -> list[Runner]:
    """Return who runs, as the deployment that a configuration describes shows it."""
    async with operating(config) as operator:
        return await operator.runners()


def lines(runner: Runner, width: int | None) -> Iterator[str]:
    """Yield a runner's tree as people read it.

    :param width: columns that a line may take; None: as many as it needs
    """
    about = click.style(f"{runner.runner}  pid {runner.pid}  {', '.join(runner.parts)}", bold=True)
    late = f"  silent for {duration(runner.silent)}" if runner.silent > _OVERDUE else ""
    yield about + click.style(late, fg="red")
    rows = [_HEADINGS, *_rows(runner.tree, "", "", runner.silent)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS) - 1)]
    room = None if width is None else max(width - sum(widths) - 2 * len(widths), _LEAST)
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        cells[1] = click.style(cells[1], fg=_COLOURS.get(row[1], None if row is _HEADINGS else _CHANGING))
        yield "  ".join((*cells, cut(row[-1], room))).rstrip()


def _rows(node: Node, first: str, rest: str, since: float) -> Iterator[tuple[str, ...]]:
    """Yield a row for a node and for each below it.

    :param first: what stands before its own name
    :param rest: what stands before the names below
    :param since: seconds for which it has been up longer than it says
    """
    yield (
        f"{first}{node.name} ({node.strategy})" if node.strategy else first + node.name,
        node.state,
        duration(node.uptime + since) if node.state in _UP else "",
        str(node.restarts) if node.restarts else "",
        str(node.pid) if node.pid else "",
        printable(node.last_error),
    )
    for child, last in _and_whether_last(node.children):
        before = ("└── ", "    ") if last else ("├── ", "│   ")
        yield from _rows(child, rest + before[0], rest + before[1], since)


def _and_whether_last(nodes: tuple[Node, ...]) -> Iterable[tuple[Node, bool]]:
    return ((node, node is nodes[-1]) for node in nodes)


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    whole = int(seconds)
    for unit, size, below, part in (("d", 86_400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // part}{below}"
    return f"{whole}s"
