"""How what was found in a trail is told on a terminal: a line a record, a report, figures, a bar."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from mas.cli.printable import printable

if TYPE_CHECKING:
    from mas.audit import Found, Report

_NEVER = "never"


def show(found: "Found", *, as_json: bool) -> None:
    """Print a record."""
    import msgspec

    from mas.audit.export import moment

    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    record = found.record
    what = record.get("decision") or record.get("event", "")
    who = (
        f"{record['sender']} -> {record.get('target', '')}"
        if "sender" in record
        else record.get("subject", "")
    )
    kind = record.get("type") or (f"by {record['actor']}" if record.get("actor") else "")
    why = record.get("reason") or record.get("detail", "")
    words = " ".join(word for word in (who, kind, f"({why})" if why else "") if word)
    click.echo(printable(f"{moment(found.seconds)} {what:<17} {words}"))


def show_report(report: "Report", *, as_json: bool) -> None:
    """Print what a verification found."""
    import msgspec

    if as_json:
        told = msgspec.to_builtins(report)
        click.echo(msgspec.json.encode({"intact": report.intact, "exit_code": report.exit_code, **told}))
        return
    click.echo(
        f"{report.sealed:,} records under {report.seals:,} seals "
        f"({report.first_seal} to {report.last_seal}), {report.unsealed:,} not sealed yet"
    )
    if report.archived_to:
        click.echo(f"seals 1 to {report.archived_to} are in archives")
    for flaw in report.flaws:
        click.echo(printable(f"BROKEN {flaw}"))
    if report.more_flaws:
        click.echo(f"and {report.more_flaws:,} more")
    if not report.intact:
        return
    if report.outside:
        click.echo(f"intact; {report.outside:,} seals agree with their copies outside redis")
    else:
        click.echo("intact; without a seal from outside redis, nobody can say that its end was not cut off")
    if report.unsealed and not report.macs_checked:
        click.echo("what is not sealed yet was compared by number only, for want of the secret")


def figures(told: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the figures of `AuditTrail.stats` as lines."""
    from mas.audit.export import moment

    def when(seconds: float | None) -> str:
        return _NEVER if seconds is None else moment(seconds)

    for name, kept in told.items():
        if name == "seals":
            yield (
                f"seals: {kept['kept']:,} kept, the last is {kept['last']:,} of {when(kept['at'])}, "
                f"key {kept['key'] or 'none yet'}, {kept['bytes']:,} bytes"
            )
        else:
            since = f"from {when(kept['oldest'])} to {when(kept['newest'])}, " if kept["records"] else ""
            yield (
                f"{name}: {kept['records']:,} records, {kept['unsealed']:,} not sealed yet, "
                f"{since}{kept['bytes']:,} bytes"
            )


@contextmanager
def progress(total: int | None) -> Generator[Callable[[int], None]]:
    """Show on a terminal how many records have been read; give what is told of each step.

    :param total: how many there are, where that is known
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (
        BarColumn(pulse_style="cyan"),
        TextColumn("{task.completed:,} records"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("verify", total=total)
        yield lambda done: bar.update(task, completed=done)
