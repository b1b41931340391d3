"""`mas dlp`: try the scanner on texts of one's own, and score it."""

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from mas.cli.frame import framed
from mas.cli.options import debug_option

if TYPE_CHECKING:
    from mas.dlp import Scanner

_config = click.option(
    "--config",
    "-c",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Scan as this deployment does. Default: with the default policy.",
)


@click.group()
def dlp() -> None:
    """Find sensitive data in texts; send nothing."""


@dlp.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON verdict a line.")
@_config
@debug_option
def scan(file: BinaryIO, config: Path | None, *, as_json: bool, debug: bool) -> None:
    """Scan FILE, or standard input, line by line.

    A line holds a JSON text, an object (its key `text` is scanned where it has one, else all of it), or
    plain text. Verdicts come in the same order. Blank lines are skipped.
    """
    with framed(debug=debug):
        from mas.dlp import run_scan_lines

        for verdict in run_scan_lines(file, _scanner(config)):
            click.echo(verdict if as_json else _sentence(verdict))


@dlp.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@_config
@debug_option
def test(file: BinaryIO, config: Path | None, *, as_json: bool, debug: bool) -> None:
    """Score the scanner on FILE, or standard input: one `{"text": ..., "label": ...}` a line.

    The label is a class, a list of classes, or null or "clean" for a text without any. Prints precision,
    recall and F1 by class, with 95 % intervals.
    """
    with framed(debug=debug):
        import json

        from mas.dlp import score
        from mas.errors import ConfigurationError

        try:
            scores = score(file, _scanner(config))
        except ValueError as error:
            raise ConfigurationError(str(error), where=getattr(file, "name", "-")) from None
        click.echo(json.dumps(scores.as_dict()) if as_json else scores.table())


@dlp.command()
def classes() -> None:
    """List the classes that are looked for, with what is done about each by default."""
    from mas.dlp import CLASSES, DEFAULT_ACTIONS, DESCRIPTIONS

    for name in CLASSES:
        click.echo(f"{name:<20} {DEFAULT_ACTIONS[name].lower():<7} {DESCRIPTIONS[name]}")


def _scanner(config: Path | None) -> "Scanner":
    from mas.dlp import Policy, Scanner

    if config is None:
        return Scanner(Policy())
    from mas.settings import load

    return Scanner(load(config).gateway.dlp.policy())


def _sentence(verdict: str) -> str:
    """Say a verdict in words."""
    import json

    told = json.loads(verdict)
    found = [f"{one['class']} at {one['path']} {one['start']}-{one['end']}" for one in told["findings"]]
    what = ", ".join(found) or told.get("refusal")
    return ": ".join(filter(None, [(told["action"] or "pass").lower(), what]))
