"""`mas audit`: read the trail, and prove it.

Every look at a live trail is recorded in it. `verify --export` needs neither Redis nor secret.
"""

import getpass
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mas.cli.printable import printable

if TYPE_CHECKING:
    from mas.audit import AuditTrail, Filter, Found, Report
    from mas.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, dir_okay=False)
_TIMES = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S")

_config = click.option(
    "--config",
    "-c",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="agents.yaml, or its directory. Default: MAS_CONFIG, else the nearest one upward from here.",
)
_debug = click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _filtered(command: Command) -> Command:
    """Give a command the options of a filter, and a `Filter` made of them."""
    for option in reversed(
        (
            click.option("--trail", type=click.Choice(["messages", "security_events"]), help="One only."),
            click.option("--sender", default="", help="Who sent; of an event: who wrote it."),
            click.option("--target", default="", help="Who was meant; of an event: what it is about."),
            click.option("--decision", default="", help="For example AUTHZ_DENIED; or a kind of event."),
            click.option("--class", "violation", default="", help="A class that was found in the payload."),
            click.option("--correlation", default="", help="A correlation id, or a message's own id."),
            click.option("--since", type=click.DateTime(_TIMES), help="From this time on; UTC."),
            click.option("--until", type=click.DateTime(_TIMES), help="Before this time; UTC."),
        )
    ):
        command = option(command)
    return command


@click.group()
def audit() -> None:
    """Read the audit trail, and prove that it is as it was written."""


@audit.command()
@click.option("--seals", type=_FILE, help="Seals from outside Redis. Default: the file of the sink.")
@click.option("--public-key", type=_FILE, help="The keys to believe, in PEM. Default: this deployment's.")
@click.option("--export", "export_file", type=_FILE, help="Verify this export or archive; needs no Redis.")
@_json
@_config
@_debug
def verify(
    seals: Path | None,
    public_key: Path | None,
    export_file: Path | None,
    config: Path | None,
    *,
    as_json: bool,
    debug: bool,
) -> None:
    """Compare the trail with its seals, and name what does not fit.

    Ends with 0 if it is intact, 1 if it is broken, and 3 if it is intact but no seal from outside Redis
    was there to show that its end was not cut off.
    """
    from mas.cli.complaint import told

    with told(debug=debug):
        from mas.audit.access import outside_seals, verify_file
        from mas.audit.signing import PublicKeys

        public = PublicKeys.load(public_key) if public_key else None
        if export_file is not None:
            outside = outside_seals(seals) if seals else []
            public = public or PublicKeys.load(_places(_settings(config)).public)
            with _progress() as progress:
                report = verify_file(export_file, public, outside=outside, progress=progress)
        else:
            settings = _settings(config)
            kept = _places(settings).seals
            outside = outside_seals(seals) if seals else outside_seals(kept) if kept.exists() else []

            async def look(trail: "AuditTrail") -> "Report":
                with _progress() as progress:
                    return await trail.verify(public=public, outside=outside, progress=progress)

            report = _run(settings, look)
        _show_report(report, as_json=as_json)
        sys.exit(report.exit_code)


@audit.command()
@click.option(
    "-n",
    "last",
    type=click.IntRange(0, 100_000),
    default=10,
    show_default=True,
    help="Records of each trail.",
)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until interrupted.")
@_filtered
@_json
@_config
@_debug
def tail(last: int, config: Path | None, *, follow: bool, as_json: bool, debug: bool, **wanted: Any) -> None:
    """Show the last records."""
    from mas.cli.complaint import told

    with told(debug=debug):

        async def look(trail: "AuditTrail") -> None:
            async for found in trail.tail(_filter(wanted), last=last, follow=follow):
                _show(found, as_json=as_json)

        _run(_settings(config), look)


@audit.command()
@click.option("--archive", type=_FILE, help="Search this archive or export instead of Redis.")
@_filtered
@_json
@_config
@_debug
def query(archive: Path | None, config: Path | None, *, as_json: bool, debug: bool, **wanted: Any) -> None:
    """Show the records that match; ranges whose seals rule them out are not read."""
    from mas.cli.complaint import told

    with told(debug=debug):
        from mas.audit.query import opened
        from mas.audit.source import read_file

        if archive is not None:
            chosen = _filter(wanted)
            for chunk_trail, entries in read_file(archive):
                for found in opened(chunk_trail, entries) if chunk_trail else ():
                    if chosen.matches(found):
                        _show(found, as_json=as_json)
            return

        async def look(trail: "AuditTrail") -> None:
            async for found in trail.query(_filter(wanted)):
                _show(found, as_json=as_json)

        _run(_settings(config), look)


@audit.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv", "summary"]),
    default="jsonl",
    show_default=True,
    help="jsonl verifies offline and holds everything; csv and summary take the filter.",
)
@click.option("--output", "-o", type=_FILE, help="Where to. Default: standard output.")
@_filtered
@_config
@_debug
def export(form: str, output: Path | None, config: Path | None, *, debug: bool, **wanted: Any) -> None:
    """Write the trail for other tools: lines with their seals, a table, or a summary of a period."""
    from mas.cli.complaint import told

    with told(debug=debug):
        import msgspec

        from mas.audit.access import outside_seals
        from mas.audit.export import Summary, as_lines, table_head, table_row

        chosen, settings = _filter(wanted), _settings(config)
        if form == "jsonl" and str(chosen) != "everything":
            raise click.UsageError("jsonl is the whole trail, or it could not be verified; filter with query")

        async def look(trail: "AuditTrail") -> None:
            write = target.write
            if form == "jsonl":
                async for chunk in trail.export():
                    for line in as_lines(chunk):
                        write(line)
            elif form == "csv":
                write(table_head().encode())
                async for found in trail.query(chosen):
                    write(table_row(found).encode())
            else:
                summary, kept = Summary(), _places(settings).seals
                report = await trail.verify(outside=outside_seals(kept) if kept.exists() else [])
                async for found in trail.query(chosen):
                    summary.add(found)
                write(msgspec.json.format(msgspec.json.encode(summary.told(report))) + b"\n")

        with click.open_file(str(output or "-"), "wb", lazy=True) as target:
            _run(settings, look)


@audit.command()
@_json
@_config
@_debug
def stats(config: Path | None, *, as_json: bool, debug: bool) -> None:
    """Show how much is recorded, sealed and kept."""
    from mas.cli.complaint import told

    with told(debug=debug):
        import msgspec

        figures = _run(_settings(config), lambda trail: trail.stats())
        if as_json:
            click.echo(msgspec.json.encode(figures))
            return
        for name, values in figures.items():
            click.echo(f"{name}: {', '.join(f'{key} {value}' for key, value in values.items())}")


@audit.command()
@_config
@_debug
def archive(config: Path | None, *, debug: bool) -> None:
    """List the archives, oldest first."""
    from mas.cli.complaint import told

    with told(debug=debug):
        from mas.audit.archive import archives_in

        for path in archives_in(_places(_settings(config)).archive):
            click.echo(path)


@audit.command()
@_config
@_debug
def key(config: Path | None, *, debug: bool) -> None:
    """Print the public keys that verify the seals, in PEM."""
    from mas.cli.complaint import told

    with told(debug=debug):
        from mas.audit.keyfile import KeyFile

        places = _places(_settings(config))
        KeyFile(places.key, places.public).load()
        click.echo(places.public.read_text(), nl=False)


@audit.command()
@_config
@_debug
def rotate(config: Path | None, *, debug: bool) -> None:
    """Make a new key for seals, and have the old one hand over to it."""
    from mas.cli.complaint import told

    with told(debug=debug):
        successor = _run(_settings(config), lambda trail: trail.rotate_key())
        click.echo(f"seals are signed by key {successor.fingerprint} from here on")


def _settings(config: Path | None) -> "Settings":
    from mas.settings import load

    return load(config)


def _places(settings: "Settings") -> Any:
    from mas.audit.places import Places

    return Places.of(settings.gateway.audit, settings.data_dir, settings.base)


def _run(settings: "Settings", look: Callable[["AuditTrail"], Awaitable[Any]]) -> Any:
    import anyio

    async def main() -> Any:
        async with _opened(settings) as trail:
            return await look(trail)

    try:
        return anyio.run(main, backend="trio")
    except KeyboardInterrupt:
        sys.exit(130)


@asynccontextmanager
async def _opened(settings: "Settings") -> "AsyncGenerator[AuditTrail]":
    import socket

    from mas.audit import SCRIPTS, AuditTrail, Events
    from mas.keys import Keys
    from mas.redis import EmbeddedServer, Endpoint, open_redis
    from mas.settings import deployment_secret
    from mas.trust import Keyring

    url = settings.redis_url.reveal() if settings.redis_url else EmbeddedServer(settings.data_dir).url
    keys, keyring = Keys(settings.namespace), Keyring(deployment_secret(settings).encode())
    place = Endpoint.parse(url, allow_plaintext=settings.gateway.redis.allow_plaintext)
    async with open_redis(place, name="mas:audit", scripts=SCRIPTS) as redis:
        events = Events(redis, keys, keyring, f"cli@{socket.gethostname()}")
        yield AuditTrail(redis, keys, keyring, events, _places(settings), actor=_user())


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _filter(wanted: dict[str, Any]) -> "Filter":
    from datetime import UTC

    from mas.audit import Filter, Trail

    times = {
        name: (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        for name in ("since", "until")
        if (at := wanted.pop(name)) is not None
    }
    trail = wanted.pop("trail")
    return Filter(**wanted, **times, trail=Trail(trail) if trail else None)


def _show(found: "Found", *, as_json: bool) -> None:
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
    kind = record.get("type") or record.get("actor", "")
    why = record.get("reason") or record.get("detail", "")
    click.echo(printable(f"{moment(found.seconds)} {what:<17} {who} {kind} {why}".rstrip()))


def _show_report(report: "Report", *, as_json: bool) -> None:
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


def _progress() -> "AbstractContextManager[Callable[[int], None]]":
    """Show how many records have been read, on a terminal and once it takes a while."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    @contextmanager
    def shown() -> Generator[Callable[[int], None]]:
        columns = (
            BarColumn(pulse_style="cyan"),
            TextColumn("{task.completed:,} records"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("verify", total=None)
            yield lambda done: bar.update(task, completed=done)

    return shown()
