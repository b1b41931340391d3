"""Turn what Redis answers instead of a value into the exception a caller should see."""

from collections.abc import Callable
from typing import Any, Final, cast

from redis.connection import DefaultParser
from redis.exceptions import MasterDownError, ReadOnlyError, ResponseError

from mas.errors import RedisUnavailable

_parse_error: Final[Callable[[str], Exception]] = cast("Any", DefaultParser.parse_error)


class RedisRefused(RedisUnavailable):
    """The server answered, and said no for a reason that waiting does not mend, such as credentials."""


def to_exception(text: str) -> Exception:
    """Return redis-py's exception for an error answer.

    What redis-py calls a ConnectionError (still loading, too many clients) becomes RedisUnavailable.
    """
    error: Exception = _parse_error(text)
    return error if isinstance(error, ResponseError) else RedisUnavailable(f"Redis answered {text}")


def unfit(error: Exception) -> bool:
    """Say whether an answer means that this connection leads to the wrong server."""
    return isinstance(error, ReadOnlyError | MasterDownError)
