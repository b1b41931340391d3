"""`mas ps`: every runner's supervision tree, as a tree or as JSON."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import anyio
import click
import msgspec

from mas.cli.deployment import operating
from mas.cli.printable import printable
from mas.steering import Node, Runner

_HEADINGS: Final = ("", "STATE", "UPTIME", "RESTARTS", "PID", "LAST ERROR")
_COLOURS: Final = {
    "running": "green",
    "paused": "cyan",
    "stopped": None,
    "finished": None,
    "failed": "red",
    "overrun": "red",
}
_CHANGING: Final = "yellow"


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
    for number, runner in enumerate(runners):
        if number:
            click.echo()
        for line in _lines(runner):
            click.echo(line)


async def shown_runners(config: Path | None) -> list[Runner]:
    """Return who runs, as the deployment that a configuration describes shows it."""
    async with operating(config) as operator:
        return await operator.runners()


def _lines(runner: Runner) -> Iterator[str]:
    yield click.style(f"{runner.runner}  pid {runner.pid}  {', '.join(runner.parts)}", bold=True)
    rows = [_HEADINGS, *_rows(runner.tree, "", "")]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS) - 1)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        cells[1] = click.style(cells[1], fg=_COLOURS.get(row[1], None if row is _HEADINGS else _CHANGING))
        yield "  ".join((*cells, row[-1])).rstrip()


def _rows(node: Node, first: str, rest: str) -> Iterator[tuple[str, ...]]:
    """Yield a row for a node and for each below it.

    :param first: what stands before its own name
    :param rest: what stands before the names below
    """
    yield (
        first + node.name,
        node.state,
        duration(node.uptime) if node.uptime else "",
        str(node.restarts) if node.restarts else "",
        str(node.pid) if node.pid else "",
        printable(node.last_error),
    )
    for child, last in _and_whether_last(node.children):
        before = ("└── ", "    ") if last else ("├── ", "│   ")
        yield from _rows(child, rest + before[0], rest + before[1])


def _and_whether_last(nodes: tuple[Node, ...]) -> Iterable[tuple[Node, bool]]:
    return ((node, node is nodes[-1]) for node in nodes)


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    whole = int(seconds)
    for unit, size, below, part in (("d", 86_400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // part}{below}"
    return f"{whole}s"
