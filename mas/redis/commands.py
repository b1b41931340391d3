"""redis-py's typed command methods, carried by our own connection."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, cast

import redis
from redis.client import EMPTY_RESPONSE, NEVER_DECODE
from redis.commands import AsyncCoreCommands
from redis.exceptions import DataError, ResponseError

UNSHARED: Final = frozenset(
    {
        "HELLO",
        "MONITOR",
        "MULTI",
        "PSUBSCRIBE",
        "PSYNC",
        "QUIT",
        "RESET",
        "SELECT",
        "SSUBSCRIBE",
        "SUBSCRIBE",
        "SYNC",
        "WATCH",
    }
)
"""Commands that change how a connection answers, which nobody may do to one that others use too."""
UNSHARED_OF_CLIENT: Final = frozenset({"REPLY", "TRACKING"})

# Never connected: it knows how each command's answer is read. The protocol is said outright because left
# open, redis-py hands out the callbacks of the other one.
_reference: Final = redis.Redis(protocol=2)
_callbacks: Final[Mapping[str, Callable[..., Any]]] = cast("Any", _reference.response_callbacks)


class TypedCommands(AsyncCoreCommands):
    """`set`, `hgetall`, `xinfo_groups` and all the others, each one an `execute_command`."""

    _is_async_client: Literal[True] = True

    @abstractmethod
    async def call(self, *command: Any) -> Any:
        """Send one command and return the raw answer."""

    _event_dispatcher: Any = None  # declared by redis-py's protocol, used by its own clients only

    def get_encoder(self) -> Any:
        """Return redis-py's encoder, which some of its methods ask about decoding."""
        return _reference.get_encoder()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command as redis-py spells it (`"XGROUP CREATE"` is one word to it) and read its answer.

        :raises redis.exceptions.DataError: if an argument is neither text, bytes nor a number, or if the
            command would
            change the connection for everybody
        """
        name = str(args[0]).upper()
        first, *rest = [*name.split(), *map(str, args[1:2])] if name.startswith("CLIENT") else [name]
        if first in UNSHARED or UNSHARED_OF_CLIENT.intersection(map(str.upper, rest)):
            raise DataError(f"{name} would change a connection that others share")
        try:
            answer = await self.call(*name.split(), *map(_plain, args[1:]))
        except ResponseError:
            if EMPTY_RESPONSE in options:
                return options[EMPTY_RESPONSE]
            raise
        read = _callbacks.get(name)
        if read is None:
            return answer
        for internal in (EMPTY_RESPONSE, NEVER_DECODE, "keys"):
            options.pop(internal, None)
        return read(answer, **options)


def _plain(value: Any) -> Any:
    """Return a value as the packer takes it."""
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, bool) or not isinstance(value, str | bytes | int | float):
        raise DataError(f"a Redis argument is text, bytes or a number, not {type(value).__name__}")
    return value
