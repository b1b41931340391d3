"""Print what `mas check` found: for people, or as one JSON object."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec

from mas.cli.check import Report, SettingFound
from mas.cli.printable import printable
from mas.cli.table import columns

_VALUE = 20
"""Columns for a value; what is longer pushes its origin to the right."""


def show(report: Report, *, as_json: bool) -> None:
    """Print a report on stdout."""
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
        return
    for line in _lines(report):
        click.echo(line)


def _lines(report: Report) -> Iterator[str]:
    yield from _section("files", report.files)
    yield from _section("redis", [report.redis])
    yield from _section("secret", [report.secret])
    yield from _section(
        "agents",
        columns(
            [
                agent.agent_id,
                agent.class_path,
                f"{agent.instances} instances" if agent.instances > 1 else "",
                f"handles {', '.join(agent.handles)}" if agent.handles else "",
                f"offers {', '.join(agent.capabilities)}" if agent.capabilities else "",
            ]
            for agent in report.agents
        ),
    )
    yield from _section("permissions", report.permissions)
    yield from _section("switched off", report.off)
    yield from _section("warnings", report.warnings, colour="yellow")
    if report.settings:
        yield click.style("settings", bold=True)
        yield from _settings(report.settings)
    yield click.style("the configuration is valid", fg="green", bold=True)


def _settings(found: Sequence[SettingFound]) -> Iterator[str]:
    """Yield a line for each, most of which fit a terminal of 80 columns."""
    here = f"{Path.cwd()}/"
    keys = max(len(each.key) for each in found)
    values = min(max(len(each.value) for each in found), _VALUE)
    for each in found:
        line = f"  {each.key:<{keys}}  {each.value:<{values}}  {each.origin.removeprefix(here)}"
        yield printable(line)


def _section(title: str, lines: Sequence[str], *, colour: str | None = None) -> Iterator[str]:
    for number, line in enumerate(lines or ["none"]):
        name = f"{title if number == 0 else '':<14}"
        yield f"{click.style(name, bold=True)}{click.style(printable(line), fg=colour if lines else None)}"
