"""Structured logs through the standard library, so that an embedding app keeps control.

Nothing is configured here: a record carries its fields as `extra`, and whoever owns the process decides
how it is rendered. The command line renders them for people or as JSON lines.
"""

import logging
from typing import cast

import structlog


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger of that name which takes fields as keywords."""
    wrapped = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return cast("structlog.stdlib.BoundLogger", wrapped)
