"""`mas policy`: see who may talk to whom, ask why, test it, and put the configuration in force."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def _options(*, live: bool) -> Callable[[Command], Command]:
    """Give a command the options that all of the group share."""

    def add(command: Command) -> Command:
        command = click.option("--debug", is_flag=True, help="Show tracebacks of errors.")(command)
        command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
        if live:
            help_ = "Ask the policy in force, in Redis, and not the configuration."
            command = click.option("--live", is_flag=True, help=help_)(command)
        return click.option(
            "--config",
            "-c",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="agents.yaml, or its directory. Default: MAS_CONFIG, else the nearest one upward from here.",
        )(command)

    return add


@click.group()
def policy() -> None:
    """Show, explain, test and reload who may message whom."""


@policy.command()
@_options(live=True)
def show(config: Path | None, *, live: bool, as_json: bool, debug: bool) -> None:
    """Show who may talk to whom, as a table."""
    from mas.cli.complaint import told

    with told(debug=debug):
        from mas.cli.rules import show_accesses

        show_accesses(config, live=live, as_json=as_json)


@policy.command()
@click.argument("sender", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("kind", metavar="TYPE")
@_options(live=True)
def explain(
    sender: str, target: str, kind: str, config: Path | None, *, live: bool, as_json: bool, debug: bool
) -> None:
    """Name the rule that decides about a message of TYPE; exit with 77 if it is denied."""
    import sys

    from mas.cli.complaint import told

    with told(debug=debug):
        from mas.cli.rules import explain_ruling

        sys.exit(explain_ruling(config, sender, target, kind, live=live, as_json=as_json))


@policy.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_options(live=True)
def test(file: Path, config: Path | None, *, live: bool, as_json: bool, debug: bool) -> None:
    """Compare the policy with FILE; exit with 1 if it decides otherwise anywhere.

    FILE is a YAML list of {from, to, type, expect: allow or deny}.
    """
    import sys

    from mas.cli.complaint import told

    with told(debug=debug):
        from mas.cli.rules import compare

        sys.exit(compare(config, file, live=live, as_json=as_json))


@policy.command()
@_options(live=False)
def reload(config: Path | None, *, as_json: bool, debug: bool) -> None:
    """Put the configuration's permissions in force, on every gateway's next commit.

    What the configuration does not grant is gone; one that cannot be used changes nothing.
    """
    from mas.cli.complaint import told

    with told(debug=debug):
        from mas.cli.rules import publish

        publish(config, as_json=as_json)
