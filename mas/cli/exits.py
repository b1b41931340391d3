"""Which exit code says what went wrong; the numbers above 2 are those of sysexits.h and of shells."""

from typing import Final

from mas.decision import Decision
from mas.errors import (
    ConfigurationError,
    EnrolmentRefused,
    ForgetRefused,
    InvalidId,
    MasError,
    MessageRefused,
    RedisUnavailable,
)
from mas.redis import RedisRefused

FAILED: Final = 1
UNAVAILABLE: Final = 69
REFUSED: Final = 77
MISCONFIGURED: Final = 78
INTERRUPTED: Final = 130

_CODES: Final[tuple[tuple[type[MasError], int], ...]] = (
    (ConfigurationError, MISCONFIGURED),
    (InvalidId, MISCONFIGURED),
    (EnrolmentRefused, REFUSED),
    (ForgetRefused, REFUSED),
    (MessageRefused, REFUSED),
    (RedisRefused, REFUSED),
    (RedisUnavailable, UNAVAILABLE),
)
"""The first that fits counts. Once a system runs it mends a lost Redis itself, so that this is its start."""


def exit_code(error: BaseException) -> int:
    """Return what the process ends with after such an error."""
    if isinstance(error, MessageRefused) and error.decision is Decision.DEAD_LETTERED:
        # Nobody forbade it: it was delivered, and its receiver failed.
        return FAILED
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)
