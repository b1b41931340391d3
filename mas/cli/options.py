"""The options that commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

config_option = click.option(
    "--config",
    "-c",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="agents.yaml, or its directory. Default: MAS_CONFIG, else the nearest one upward from here.",
)
debug_option = click.option("--debug", is_flag=True, help="Log more, and show tracebacks of errors.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
backend_option = click.option(
    "--backend",
    type=click.Choice(["trio", "asyncio"]),
    default="trio",
    show_default=True,
    help="The event loop.",
)


def operator_options(command: Command) -> Command:
    """Give a command `--config`, `--json` and `--debug`."""
    return config_option(json_option(debug_option(command)))
