"""`mas audit`: read the trail, and prove it.

Every look at the trail of a deployment is recorded in it, its archives included; so the system must run.
`verify --export` needs neither Redis nor secret, and says nothing of what the records hold; nor does `query`
need them for a file that lies elsewhere than in the deployment's archive.
"""

import sys
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mas.cli.findings import figures, progress, show, show_report
from mas.cli.frame import framed
from mas.cli.options import config_option, debug_option, json_option
from mas.cli.outfile import written_to
from mas.cli.trail import archive_of_ours, filter_of, filtered, look_at, places_of, settings_of

if TYPE_CHECKING:
    from mas.audit import AuditTrail, Report

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def audit() -> None:
    """Read the audit trail, and prove that it is as it was written."""


@audit.command()
@click.option("--seals", type=_FILE, help="Seals from outside Redis. Default, live: the file of the sink.")
@click.option("--public-key", type=_FILE, help="The keys to believe, in PEM. Default: this deployment's.")
@click.option("--export", "export_file", type=_FILE, help="Verify this export or archive; needs no Redis.")
@click.option("--archives", is_flag=True, help="With this machine's archives, from the first seal on.")
@json_option
@config_option
@debug_option
def verify(
    seals: Path | None,
    public_key: Path | None,
    export_file: Path | None,
    config: Path | None,
    *,
    archives: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Compare the trail with its seals, and name what does not fit.

    Ends with 0 if it is intact, 1 if it is broken, and 3 if it is intact but no seal from outside Redis
    was there to show that its end was not cut off.
    """
    with framed(debug=debug):
        from mas.audit.access import outside_seals, verify_file
        from mas.audit.signing import PublicKeys

        public = PublicKeys.load(public_key) if public_key else None
        if export_file is not None:
            if archives:
                raise click.UsageError("--archives are those of the live trail; --export is one file")
            outside = outside_seals(seals) if seals else []
            public = public or PublicKeys.load(places_of(settings_of(config)).public)
            with progress() as step:
                report = verify_file(export_file, public, outside=outside, progress=step)
        else:
            settings = settings_of(config)
            kept = places_of(settings).seals
            outside = outside_seals(seals) if seals else outside_seals(kept) if kept.exists() else []

            async def look(trail: "AuditTrail") -> "Report":
                with progress() as step:
                    return await trail.verify(
                        public=public, outside=outside, archives=archives, progress=step
                    )

            report = look_at(settings, look)
        show_report(report, as_json=as_json)
        sys.exit(report.exit_code)


@audit.command()
@click.option(
    "-n",
    "last",
    type=click.IntRange(0, 100_000),
    default=10,
    show_default=True,
    help="Records of each trail that match.",
)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until interrupted.")
@filtered
@json_option
@config_option
@debug_option
def tail(last: int, config: Path | None, *, follow: bool, as_json: bool, debug: bool, **wanted: Any) -> None:
    """Show the last records of both trails, with all that they hold.

    This is for auditors. mas tail shows the traffic of messages, for whoever develops with it.
    """
    with framed(debug=debug):

        async def look(trail: "AuditTrail") -> None:
            async with aclosing(trail.tail(filter_of(wanted), last=last, follow=follow)) as matching:
                async for found in matching:
                    show(found, as_json=as_json)

        look_at(settings_of(config), look)


@audit.command()
@click.option("--archive", type=_FILE, help="Search this archive or export alone.")
@filtered
@json_option
@config_option
@debug_option
def query(archive: Path | None, config: Path | None, *, as_json: bool, debug: bool, **wanted: Any) -> None:
    """Show the records that match.

    Those in this machine's archives are found too. Ranges whose seals rule them out are not read.
    """
    with framed(debug=debug):
        from mas.audit.access import query_file

        chosen = filter_of(wanted)
        settings = settings_of(config) if archive is None else archive_of_ours(config, archive)
        if archive is not None and settings is None:
            for found in query_file(archive, chosen):
                show(found, as_json=as_json)
            return

        async def look(trail: "AuditTrail") -> None:
            found_in = trail.query_file(archive, chosen) if archive else trail.query(chosen)
            async with aclosing(found_in) as matching:
                async for found in matching:
                    show(found, as_json=as_json)

        look_at(settings or settings_of(config), look)


@audit.command()
@click.argument("message_id")
@config_option
@debug_option
def payload(message_id: str, config: Path | None, *, debug: bool) -> None:
    """Decrypt the payload of a message.

    The trail keeps payloads only with `audit.payload: encrypted`.
    """
    with framed(debug=debug):
        from mas.audit import Filter, Trail
        from mas.errors import MasError

        async def look(trail: "AuditTrail") -> bytes:
            wanted = Filter(trail=Trail.MESSAGES, correlation=message_id)
            async with aclosing(trail.query(wanted)) as matching:
                async for found in matching:
                    if found.record.get("message_id") == message_id and (kept := await trail.payload(found)):
                        return kept
            raise MasError(f"the trail keeps no payload of a message {message_id}")

        click.echo(look_at(settings_of(config), look))


@audit.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv", "summary"]),
    default="jsonl",
    show_default=True,
    help="jsonl verifies offline and takes no filter; csv and summary do.",
)
@click.option("--output", "-o", type=_FILE, help="Where to. Default: standard output.")
@click.option("--force", is_flag=True, help="Replace the file if it is there already.")
@filtered
@config_option
@debug_option
def export(
    form: str, output: Path | None, config: Path | None, *, force: bool, debug: bool, **wanted: Any
) -> None:
    """Write the trail for other tools.

    As lines with their seals, as a table, or as a summary of a period. Lines hold what Redis holds; the
    archives are such lines already. Table and summary reach into archives. A file is for its owner alone.
    """
    with framed(debug=debug):
        import msgspec

        from mas.audit.access import outside_seals
        from mas.audit.export import Summary, as_lines, table_head, table_row

        chosen, settings = filter_of(wanted), settings_of(config)
        if form == "jsonl" and str(chosen) != "everything":
            raise click.UsageError("jsonl is the whole trail, or it could not be verified; filter with query")

        async def look(trail: "AuditTrail") -> None:
            write = target.write
            if form == "jsonl":
                async with aclosing(trail.export()) as chunks:
                    async for chunk in chunks:
                        for line in as_lines(chunk):
                            write(line)
            elif form == "csv":
                write(table_head().encode())
                async with aclosing(trail.query(chosen)) as matching:
                    async for found in matching:
                        write(table_row(found).encode())
            else:
                summary, kept = Summary.of(chosen), places_of(settings).seals
                report = await trail.verify(outside=outside_seals(kept) if kept.exists() else [])
                async for found in trail.query(chosen):
                    summary.add(found)
                write(msgspec.json.format(msgspec.json.encode(summary.told(report))) + b"\n")

        with written_to(output, replace=force) as target:
            look_at(settings, look)


@audit.command()
@json_option
@config_option
@debug_option
def stats(config: Path | None, *, as_json: bool, debug: bool) -> None:
    """Show how much is recorded, sealed and kept."""
    with framed(debug=debug):
        import msgspec

        kept = look_at(settings_of(config), lambda trail: trail.stats())
        if as_json:
            click.echo(msgspec.json.encode(kept))
            return
        for line in figures(kept):
            click.echo(line)


@audit.command()
@json_option
@config_option
@debug_option
def archive(config: Path | None, *, as_json: bool, debug: bool) -> None:
    """List this machine's archives, oldest first."""
    with framed(debug=debug):
        import msgspec

        settings = settings_of(config)
        kept = look_at(settings, lambda trail: trail.archives())
        if as_json:
            told = [{**each._asdict(), "path": str(each.path)} for each in kept]
            click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2))
            return
        for each in kept:
            click.echo(each.path)
        if not kept:
            click.echo(f"there are none in {places_of(settings).archive}", err=True)


@audit.command()
@config_option
@debug_option
def key(config: Path | None, *, debug: bool) -> None:
    """Print the public keys that verify the seals, in PEM."""
    with framed(debug=debug):
        from mas.audit.keyfile import KeyFile

        places = places_of(settings_of(config))
        click.echo(KeyFile(places.key, places.public).public_pem(), nl=False)


@audit.command()
@config_option
@debug_option
def rotate(config: Path | None, *, debug: bool) -> None:
    """Make a new key for seals, and have the old one hand over to it."""
    with framed(debug=debug):
        successor = look_at(settings_of(config), lambda trail: trail.rotate_key())
        click.echo(f"seals are signed by key {successor.fingerprint} from here on")
