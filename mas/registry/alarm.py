"""Who is told what is not as it must be."""

from collections.abc import Callable

from mas.log import logger

Alarm = Callable[[str, str], None]
"""Takes what it is about, and the problem."""

log = logger(__name__)


def log_alarm(subject: str, problem: str) -> None:
    """Tell the log, where nobody else is there to be told."""
    log.critical("security alarm", subject=subject, problem=problem)
