"""`mas tail`: what the gateway decides, a line a message, for whoever develops with it."""

import shutil
import sys
from pathlib import Path
from typing import Any

import click

from mas.cli.frame import framed
from mas.cli.options import operator_options
from mas.cli.trail import filter_of, filtered_by, settings_of


@click.command()
@click.option(
    "-n",
    "last",
    type=click.IntRange(0, 100_000),
    default=10,
    show_default=True,
    help="How many of the last that match.",
)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@filtered_by("sender", "target", "type", "decision", "refused", "correlation", events=False)
@operator_options
def tail(last: int, config: Path | None, *, follow: bool, as_json: bool, debug: bool, **wanted: Any) -> None:
    """Watch the traffic: what the gateway decides, a line a message.

    Each line has the time, who to whom, the type, the decision, how long the message waited for it, why it
    was refused, and the id that ties a reply to its request. On a terminal the time is local, and what does
    not fit is cut.

    It is a view of the audit trail, which mas audit tail shows with all that a record holds, for auditors;
    payloads are in neither. Watching is recorded there, once.
    """
    with framed(debug=debug):
        from mas.audit import open_trail
        from mas.cli.told_to_stop import Stop, until_told
        from mas.cli.traffic import Traffic, as_line

        chosen, settings = filter_of({**wanted, "trail": "messages"}), settings_of(config)
        on_terminal, traffic = sys.stdout.isatty(), Traffic()

        async def look(stop: Stop) -> None:
            async with open_trail(settings) as trail:
                with stop.cuts_short():
                    async for found in trail.tail(chosen, last=last, follow=follow):
                        if as_json:
                            click.echo(as_line(found))
                            continue
                        width = shutil.get_terminal_size().columns if on_terminal else None
                        click.echo(traffic.line(found, width))

        until_told(look)
