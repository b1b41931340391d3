"""The options that operators' commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def operator_options(command: Command) -> Command:
    """Give a command `--config`, `--json` and `--debug`."""
    command = click.option("--debug", is_flag=True, help="Show tracebacks of errors.")(command)
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
    return click.option(
        "--config",
        "-c",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="agents.yaml, or its directory. Default: MAS_CONFIG, else the nearest one upward from here.",
    )(command)
