"""One subscribed connection for a whole process."""

import logging
from collections.abc import Callable
from typing import Final

from anyio.abc import ByteStream

from mas.clock import SYSTEM, Clock
from mas.redis.endpoint import Endpoint
from mas.redis.exchange import pack
from mas.redis.handshake import Session
from mas.redis.line import MORE, TICKS, Line, LineBroken
from mas.redis.link import Link, opener

log: Final = logging.getLogger(__name__)

Callback = Callable[[bytes | None], None]
_PING: Final = pack(("PING",))


class Subscriber(Link):
    """Channels and who listens to them, on one connection that subscribes again by itself after a loss.

    A callback is called on the event loop's own stack: it sets an event or notes a flag, and neither awaits
    nor raises. It gets each message's payload, and None when Redis has confirmed its subscription: at first,
    and again after every reconnect, when messages may have been lost. None thus says: look now; from here on
    you will be told.
    """

    def __init__(
        self,
        endpoint: str | Endpoint,
        *,
        name: str = "mas:subscriber",
        response_timeout: float = 5,
        connect_timeout: float = 5,
        backoff_cap: float = 2,
        clock: Clock = SYSTEM,
    ) -> None:
        super().__init__(
            endpoint,
            name=name,
            response_timeout=response_timeout,
            connect_timeout=connect_timeout,
            backoff_cap=backoff_cap,
            clock=clock,
        )
        # Per channel, each callback and whether this connection has confirmed it.
        self._callbacks: dict[bytes, dict[Callback, bool]] = {}
        self._line: _Subscriptions | None = None

    def listen(self, channel: str, callback: Callback) -> None:
        """Call back for every message on the channel; several callbacks may share one."""
        self._callbacks.setdefault(channel.encode(), {})[callback] = False
        if self._line is not None:
            # Also when others listen already: the confirmation is what tells the new one to look.
            self._line.ask(b"SUBSCRIBE", channel.encode())

    def ignore(self, channel: str, callback: Callback | None = None) -> None:
        """Stop calling one callback, or all of a channel's; one that is unknown is ignored."""
        name = channel.encode()
        callbacks = self._callbacks.get(name, {})
        if callback is None:
            callbacks.clear()
        else:
            callbacks.pop(callback, None)
        if not callbacks and self._callbacks.pop(name, None) is not None and self._line is not None:
            self._line.ask(b"UNSUBSCRIBE", name)

    def _open(self, session: Session) -> Line:
        for callbacks in self._callbacks.values():
            callbacks.update(dict.fromkeys(callbacks, False))
        self._line = _Subscriptions(session.stream, self, silence=self.response_timeout, clock=self.clock)
        for channel in self._callbacks:
            # One command each: a channel that is refused costs only itself.
            self._line.ask(b"SUBSCRIBE", channel)
        return self._line

    def _close(self, reason: str) -> None:  # noqa: ARG002 - nobody waits here
        self._line = None

    def _message(self, channel: bytes, payload: bytes) -> None:
        for callback in list(self._callbacks.get(channel, ())):
            callback(payload)

    def _confirmed(self, channel: bytes) -> None:
        callbacks = self._callbacks.get(channel, {})
        for callback in [each for each, told in callbacks.items() if not told]:
            callbacks[callback] = True
            callback(None)


class _Subscriptions(Line):
    """The subscribed connection: nothing is due on it, so silence is broken by asking for a sign of life."""

    __slots__ = ("_heard", "_quiet", "_subscriber")

    def __init__(self, stream: ByteStream, subscriber: Subscriber, *, silence: float, clock: Clock) -> None:
        super().__init__(stream, silence=silence, clock=clock)
        self._subscriber, self._heard, self._quiet = subscriber, True, 0

    def ask(self, verb: bytes, channel: bytes) -> None:
        """Queue a change of what is subscribed."""
        self.send(pack((verb, channel)))

    def drain(self) -> None:
        """Hand each message to who listens."""
        self._heard = True
        while (value := self.reader.gets()) is not MORE:
            match value:
                case [b"message", bytes(channel), bytes(payload)]:
                    self._subscriber._message(channel, payload)  # noqa: SLF001 - one class in two parts
                case [b"subscribe", bytes(channel), _]:
                    self._subscriber._confirmed(channel)  # noqa: SLF001
                case Exception():
                    log.error("a subscription was refused: %s", value)
                case _:  # a PONG, or a channel left
                    pass

    def watch(self) -> None:
        """Ask for a sign of life after a quiet look; give up when none came for the permitted silence."""
        self._quiet = 0 if self._heard else self._quiet + 1
        self._heard = False
        if self._quiet > TICKS:
            raise LineBroken(f"no sign of life within {self._tick * TICKS:g} s")
        if self._quiet == 1:
            self.send(_PING)


open_subscriber = opener(Subscriber)
"""Open a subscriber for the length of a block; the parameters are those of `Link`.

:raises RedisUnavailable: if there is no connection within `connect_timeout`
:raises RedisTooOld: if the server is older than Redis 7.0 or Valkey 7.2
:raises ConfigurationError: if the URL cannot be read
"""
