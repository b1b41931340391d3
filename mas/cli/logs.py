"""Render the log on stderr: for people on a terminal, as one JSON object a line for everyone else."""

import json
import logging
import sys
import traceback
from typing import Any, TextIO

import structlog
from structlog.types import EventDict, ExcInfo, Processor

from mas.cli.printable import printable
from mas.errors import ConfigurationError, RedisUnavailable, StartFailed

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
    first = () if level.lower() == "debug" else (without_what_is_told,)
    handler.setFormatter(_for_people(*first) if stream.isatty() else _for_programs(*first))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)


def _for_people(*first: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED, structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *first,
            one_line,
            structlog.dev.ConsoleRenderer(pad_event_to=36, exception_formatter=_indented),
        ],
    )


def _for_programs(*first: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED, structlog.processors.TimeStamper(fmt="iso", utc=True)],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *first,
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            what_and_when_first,
            structlog.processors.JSONRenderer(serializer=json.dumps, default=repr),
        ],
    )


def without_what_is_told(_: Any, __: str, event: EventDict) -> EventDict:
    """Leave out the traceback of a start that failed for a reason which its message tells whole.

    It would lead through our code only, and what has to be mended is elsewhere.
    """
    match event.get("exc_info"):
        case (_, StartFailed() as error, _):
            reason: BaseException = error
            while isinstance(reason, StartFailed) and reason.__cause__ is not None:
                reason = reason.__cause__
            ours = isinstance(reason, ConfigurationError) and reason.__cause__ is None
            if ours or isinstance(reason, RedisUnavailable | StartFailed):
                del event["exc_info"]
    return event


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
