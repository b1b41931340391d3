"""What a supervisor tells the world: one frozen object an event, and its line in the log."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

_logger = logging.getLogger("mas.supervision")


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a child.

    :param path: the names from below the root down to the child, joined by "/"; "" is the root
    :param at: wall time in seconds since the epoch
    """

    path: str
    at: float


@dataclass(frozen=True, slots=True)
class Started(Event):
    """It is ready.

    :param took: seconds from its start
    """

    took: float


@dataclass(frozen=True, slots=True)
class Declined(Event):
    """It had nothing to do and did not start."""


@dataclass(frozen=True, slots=True)
class Finished(Event):
    """It ended by itself, without failing."""


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """It raised, or did not start.

    :param error: what it raised, or a StartFailed with that as its cause
    """

    error: BaseException


@dataclass(frozen=True, slots=True)
class Restarting(Event):
    """It will be started again.

    :param delay: seconds to wait before
    """

    delay: float


@dataclass(frozen=True, slots=True)
class GaveUp(Event):
    """Its own budget is spent: it stays down, its siblings live on.

    :param error: a RestartsExhausted
    """

    error: BaseException


@dataclass(frozen=True, slots=True)
class Stopped(Event):
    """It ended because it was told to.

    :param error: what it raised while ending, if anything
    """

    error: BaseException | None


@dataclass(frozen=True, slots=True)
class Overrun(Event):
    """It was cancelled and runs on past its time.

    :param error: a StopOverrun
    """

    error: BaseException


@dataclass(frozen=True, slots=True)
class Paused(Event):
    """It ceased work on request."""


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    """It works again on request."""


@dataclass(frozen=True, slots=True)
class Escalated(Event):
    """A supervisor cannot mend a failure: it stops its children and fails in its turn.

    :param error: what `Supervisor.run` will raise
    """

    error: BaseException


_LEVELS: dict[type[Event], int] = {
    Failed: logging.WARNING,
    Restarting: logging.WARNING,
    GaveUp: logging.ERROR,
    Overrun: logging.CRITICAL,
    Escalated: logging.ERROR,
}


def log(event: Event, name: str) -> None:
    """Write an event to the log.

    :param name: what to call the child, where the path alone would not tell
    """
    level = _LEVELS.get(type(event), logging.INFO)
    if not _logger.isEnabledFor(level):
        return
    detail = ""
    error = getattr(event, "error", None)
    if error is not None:
        detail = f": {type(error).__name__}: {error}"
    elif isinstance(event, Restarting):
        detail = f" in {event.delay:.3f} s"
    _logger.log(
        level,
        "%s %s%s",
        event.path or name,
        _words(type(event).__name__),
        detail,
        exc_info=error if isinstance(event, Failed) else None,
    )


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def deliver(event: Event, listener: Callable[[Event], None]) -> None:
    """Call a listener; one that raises is logged, for nobody's events may stop a supervisor."""
    try:
        listener(event)
    except Exception:
        _logger.exception("on_event raised on %s of %s", type(event).__name__, event.path)
