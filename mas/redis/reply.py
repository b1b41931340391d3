"""One answer due from Redis, and how it is waited for."""

from typing import Any, Final

import anyio
from anyio.lowlevel import checkpoint

_DUE: Final = object()


class Reply:
    """One answer due; whoever posted the command may wait for it, look at it later, or forget it.

    A waiter that is cancelled leaves the reply in line: its value is then dropped, and every later reply
    still reaches whom it belongs to.
    """

    __slots__ = ("_arrived", "_value")

    def __init__(self) -> None:
        self._value: Any = _DUE
        # Made only when somebody waits: most replies of a batch are never waited for one by one.
        self._arrived: anyio.Event | None = None

    @property
    def done(self) -> bool:
        """Whether the answer, or the reason why there will be none, is here."""
        return self._value is not _DUE

    async def result(self) -> Any:
        """Wait for the answer.

        :raises redis.exceptions.ResponseError: if the server answered with an error
        :raises RedisUnavailable: if the connection broke or the server fell silent; the command may have
            happened
        """
        if self._value is _DUE:
            if self._arrived is None:
                self._arrived = anyio.Event()
            await self._arrived.wait()
        elif isinstance(self._value, Exception):
            # A caller that retries at once must not keep the event loop to itself.
            await checkpoint()
        return self.get()

    def get(self) -> Any:
        """Return the answer that is here, or raise as `result` does.

        :raises RuntimeError: if it is still due
        """
        value = self._value
        if isinstance(value, Exception):
            raise value
        if value is _DUE:
            raise RuntimeError("the reply is still due: await result()")
        return value

    def settle(self, value: Any) -> None:
        """Put the answer, or the exception that stands for it, and wake who waits."""
        self._value = value
        if self._arrived is not None:
            self._arrived.set()
