"""One answer due from Redis, and how it is waited for."""

from collections.abc import Callable
from typing import Any, Final

import anyio
from anyio.lowlevel import checkpoint

_DUE: Final = object()


class Burst:
    """What was posted between two writes, and is waited for together.

    Redis answers what it reads at once in one piece, so to wait for the last answer costs nothing, and one
    event does for all of a crowd of senders.
    """

    __slots__ = ("arrived", "last")

    def __init__(self) -> None:
        # Made only when somebody waits: nobody does for the replies of many a burst.
        self.arrived: anyio.Event | None = None
        self.last: Reply | None = None


class Reply:
    """One answer due; whoever posted the command may wait for it, look at it later, or forget it.

    A waiter that is cancelled leaves the reply in line: its value is then dropped, and every later reply
    still reaches whom it belongs to.

    :param burst: what it belongs to, and is now the last of
    """

    __slots__ = ("_burst", "_value", "on_failure")

    def __init__(self, burst: Burst) -> None:
        self._value: Any = _DUE
        self._burst = burst
        burst.last = self
        self.on_failure: Callable[[], None] | None = None
        """Called if there will be no answer, for who posted the command and does not wait; must not wait."""

    @property
    def done(self) -> bool:
        """Whether the answer, or the reason why there will be none, is here."""
        return self._value is not _DUE

    @property
    def failure(self) -> Exception | None:
        """What waiting for the answer would raise; None as long as it is due, and if there is one."""
        return self._value if isinstance(self._value, Exception) else None

    async def result(self) -> Any:
        """Wait for the answer.

        :raises redis.exceptions.ResponseError: if the server answered with an error
        :raises RedisUnavailable: if the connection broke or the server fell silent; the command may have
            happened
        """
        if self._value is _DUE:
            burst = self._burst
            if burst.arrived is None:
                burst.arrived = anyio.Event()
            await burst.arrived.wait()
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
        """Put the answer, or the exception that stands for it, and wake who waits for the burst it ends."""
        self._value = value
        burst = self._burst
        if burst.last is self and burst.arrived is not None:
            burst.arrived.set()
        if self.on_failure is not None and isinstance(value, Exception):
            self.on_failure()
