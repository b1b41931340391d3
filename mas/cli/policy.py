"""`mas policy`: see who may talk to whom, ask why, test it, and put the configuration in force."""

import sys
from pathlib import Path

import click

from mas.cli.frame import framed
from mas.cli.options import operator_options

_live = click.option("--live", is_flag=True, help="Ask the policy in force, not the configuration.")


@click.group()
def policy() -> None:
    """Show, explain, test and reload who may message whom."""


@policy.command()
@_live
@operator_options
def show(config: Path | None, *, live: bool, as_json: bool, debug: bool) -> None:
    """Show who may talk to whom, as a table."""
    from mas.cli.rules import show_accesses

    with framed(debug=debug):
        show_accesses(config, live=live, as_json=as_json)


@policy.command()
@click.argument("sender", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("kind", metavar="TYPE")
@_live
@operator_options
def explain(
    sender: str, target: str, kind: str, config: Path | None, *, live: bool, as_json: bool, debug: bool
) -> None:
    """Name the rule that decides about a message of TYPE; exit with 77 if it is denied."""
    from mas.cli.rules import explain_ruling

    with framed(debug=debug):
        sys.exit(explain_ruling(config, sender, target, kind, live=live, as_json=as_json))


@policy.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_live
@operator_options
def test(file: Path, config: Path | None, *, live: bool, as_json: bool, debug: bool) -> None:
    """Compare the policy with FILE; exit with 1 if it decides otherwise anywhere.

    FILE is a YAML list of {from, to, type, expect: allow or deny}.
    """
    from mas.cli.rules import compare

    with framed(debug=debug):
        sys.exit(compare(config, file, live=live, as_json=as_json))


@policy.command()
@operator_options
def reload(config: Path | None, *, as_json: bool, debug: bool) -> None:
    """Put the configuration's permissions and gateway settings in force, on every gateway's next commit.

    What the configuration does not grant is gone; one that cannot be used changes nothing. Settings that
    wait for a restart are named.
    """
    from mas.cli.rules import publish

    with framed(debug=debug):
        publish(config, as_json=as_json)
