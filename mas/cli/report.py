"""Print what `mas check` found: for people, or as one JSON object."""

from collections.abc import Iterator, Sequence

import click
import msgspec

from mas.cli.check import Report
from mas.cli.printable import printable
from mas.cli.table import columns


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
        yield from _section(
            "settings", columns([each.key, each.value, each.origin] for each in report.settings)
        )
    yield click.style("the configuration is valid", fg="green", bold=True)


def _section(title: str, lines: Sequence[str], *, colour: str | None = None) -> Iterator[str]:
    for number, line in enumerate(lines or ["none"]):
        name = f"{title if number == 0 else '':<14}"
        yield f"{click.style(name, bold=True)}{click.style(printable(line), fg=colour if lines else None)}"
