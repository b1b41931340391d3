"""Render the log on stderr: for people on a terminal, as one JSON object a line for everyone else."""

import json
import logging
import sys
import traceback
from typing import Any, TextIO

import structlog
from structlog.types import EventDict, ExcInfo, Processor

from mas.cli.printable import printable

_SHARED: tuple[Processor, ...] = (
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
)


def configure(level: str, *, stream: TextIO | None = None) -> None:
    """Send whatever is logged in this process to stderr, in place of what was configured before.

    :param level: the least that is shown
    :param stream: in place of stderr
    """
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_for_people() if stream.isatty() else _for_programs())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)


def _for_people() -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED, structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            one_line,
            structlog.dev.ConsoleRenderer(pad_event_to=36, exception_formatter=_indented),
        ],
    )


def _for_programs() -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED, structlog.processors.TimeStamper(fmt="iso", utc=True)],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            what_and_when_first,
            structlog.processors.JSONRenderer(serializer=json.dumps, default=repr),
        ],
    )


def one_line(_: Any, __: str, event: EventDict) -> EventDict:
    """Keep every name and value on the line of its event."""
    return {
        printable(name): value if name == "exc_info" else printable(value) for name, value in event.items()
    }


def what_and_when_first(_: Any, __: str, event: EventDict) -> EventDict:
    """Begin each object with what all of them have."""
    return {name: event[name] for name in ("timestamp", "level", "logger", "message")} | dict(event)


def _indented(stream: TextIO, exc_info: ExcInfo) -> None:
    """Write a traceback in which no line can pass for an event."""
    for block in traceback.format_exception(*exc_info):
        stream.writelines(f"\n    | {printable(line)}" for line in block.splitlines())
