"""`mas dlq`: see, redrive, restore and purge dead letters."""

import sys
from pathlib import Path

import click

from mas.cli.frame import framed
from mas.cli.options import operator_options

_DAY = 86_400
_decision = click.option("--decision", default="", help="Only those with it, such as RATE_LIMITED.")
_older = click.option("--older-than", type=float, metavar="DAYS", help="Only those older than that.")


@click.group()
def dlq() -> None:
    """See, redrive, restore and purge messages that were not handled."""


@dlq.command("list")
@_decision
@_older
@click.option("--archived", is_flag=True, help="Those in the archives on this machine.")
@operator_options
def list_(
    config: Path | None,
    decision: str,
    older_than: float | None,
    *,
    archived: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """List dead letters, the oldest first."""
    from mas.cli.letters import show_letters

    with framed(debug=debug):
        show_letters(config, decision, _seconds(older_than), archived=archived, as_json=as_json)


@dlq.command()
@click.argument("letter", metavar="ID")
@operator_options
def show(letter: str, config: Path | None, *, as_json: bool, debug: bool) -> None:
    """Show one dead letter with its message, archived or not."""
    from mas.cli.letters import show_letter

    with framed(debug=debug):
        show_letter(config, letter, as_json=as_json)


@dlq.command()
@click.argument("letters", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Redrive all that the other options leave.")
@_decision
@_older
@click.option("--timeout", type=float, default=10.0, show_default=True, help="Seconds to wait for each.")
@operator_options
def redrive(
    letters: tuple[str, ...],
    config: Path | None,
    decision: str,
    older_than: float | None,
    timeout: float,
    *,
    everything: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Send dead letters through the gateway again; exit with 77 if it refuses one.

    The policy in force is asked, on their senders' authority. What is refused stays a dead letter.
    """
    _expect_a_choice(letters, decision, older_than, everything=everything)
    with framed(debug=debug):
        from mas.cli.letters import redrive_letters

        chosen = redrive_letters(
            config, letters, decision, _seconds(older_than), within=timeout, as_json=as_json
        )
        sys.exit(chosen)


@dlq.command()
@click.argument("letters", metavar="ID...", nargs=-1, required=True)
@operator_options
def restore(letters: tuple[str, ...], config: Path | None, *, as_json: bool, debug: bool) -> None:
    """Put archived dead letters back, under new ids, so that they can be redriven."""
    from mas.cli.letters import restore_letters

    with framed(debug=debug):
        restore_letters(config, letters, as_json=as_json)


@dlq.command()
@click.argument("letters", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Purge all that the other options leave.")
@_decision
@_older
@operator_options
def purge(
    letters: tuple[str, ...],
    config: Path | None,
    decision: str,
    older_than: float | None,
    *,
    everything: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Delete dead letters for good; the audit trail says who did."""
    _expect_a_choice(letters, decision, older_than, everything=everything)
    with framed(debug=debug):
        from mas.cli.letters import purge_letters

        purge_letters(config, letters, decision, _seconds(older_than), as_json=as_json)


def _expect_a_choice(
    letters: tuple[str, ...], decision: str, older_than: float | None, *, everything: bool
) -> None:
    narrowed = bool(decision) or older_than is not None
    if letters and (narrowed or everything):
        raise click.UsageError("give ids, or say by options which are meant, not both")
    if not (letters or narrowed or everything):
        raise click.UsageError("give ids, --decision, --older-than or --all")


def _seconds(days: float | None) -> float | None:
    return None if days is None else days * _DAY
