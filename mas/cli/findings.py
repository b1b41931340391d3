"""How what was found in a trail is told on a terminal: a line a record, a report, figures, a bar."""

import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from mas.cli.printable import printable

if TYPE_CHECKING:
    from mas.audit import Found, Report

_NEVER: Final = "never"
_SHOWN: Final = 20  # flaws; a wrong key makes one of each seal


def show(found: "Found", *, as_json: bool) -> None:
    """Print a record."""
    import msgspec

    from mas.audit.moment import moment

    if as_json:
        told = {
            "trail": found.trail,
            "id": found.id,
            "time": moment(found.seconds),
            "latency": found.latency,
            "record": found.record,
        }
        click.echo(msgspec.json.encode(told))
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

    from mas.audit.report import MOST_FLAWS

    if as_json:
        told = msgspec.to_builtins(report)
        click.echo(msgspec.json.encode({"intact": report.intact, "exit_code": report.exit_code, **told}))
        return
    numbers = f" ({report.first_seal:,} to {report.last_seal:,})" if report.seals else ""
    click.echo(
        f"{report.sealed:,} records under {report.seals:,} seals{numbers}, {report.unsealed:,} not sealed yet"
    )
    if report.namespace:
        click.echo(printable(f"of the system whose namespace is {report.namespace}"))
    if report.archived_to and report.first_seal > 1:
        click.echo(f"seals 1 to {report.archived_to:,} are in archives; --archives verifies them too")
    if report.deleted_to:
        click.echo(f"the archives of seals 1 to {report.deleted_to:,} were deleted for their age or size")
    for flaw in report.flaws[:_SHOWN]:
        click.echo(printable(f"BROKEN {flaw}"))
    if hidden := len(report.flaws[_SHOWN:]) + report.more_flaws:
        click.echo(f"and {hidden:,} more places; --json lists the first {MOST_FLAWS:,}")
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
    from mas.audit.moment import moment

    def when(seconds: float | None) -> str:
        return _NEVER if seconds is None else moment(seconds)

    for name, kept in told.items():
        if name == "seals":
            yield (
                f"seals: {kept['kept']:,} kept, the last is {kept['last']:,} of {when(kept['at'])}, "
                f"key {kept['key'] or 'none yet'}, {kept['bytes']:,} bytes"
            )
        elif name == "archives":
            yield f"archives: {kept['kept']:,} kept here, {kept['bytes']:,} bytes"
            for first, last in kept["missing"]:
                yield f"archives: none here has seals {first:,} to {last:,}"
        else:
            since = f"from {when(kept['oldest'])} to {when(kept['newest'])}, " if kept["records"] else ""
            yield (
                f"{name}: {kept['records']:,} records, {kept['unsealed']:,} not sealed yet, "
                f"{since}{kept['bytes']:,} bytes"
            )


@contextmanager
def progress() -> Generator[Callable[[int, float], None]]:
    """Show on a terminal how many records have been read; give what is told of them.

    Standard output is left alone, and where stderr is no terminal, nothing is shown.
    """
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("verifying"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[records]:,} records"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    if console.is_dumb_terminal:
        yield lambda *_: None
        return
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("verify", total=1.0, records=0)
        yield lambda done, share: bar.update(task, completed=share, records=done)
