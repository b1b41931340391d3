"""One connection to Redis that a whole process shares."""

from collections.abc import Sequence
from typing import Any, Final

import anyio
from redis.exceptions import NoScriptError

from mas.clock import SYSTEM, Clock
from mas.errors import RedisUnavailable
from mas.redis.commands import TypedCommands
from mas.redis.endpoint import Endpoint
from mas.redis.handshake import Session
from mas.redis.link import Link, opener
from mas.redis.pipeline import Pipeline
from mas.redis.reply import Burst, Reply
from mas.redis.script import Script

MAX_UNSENT: Final = 16 * 1024 * 1024  # bytes

Argument = str | bytes | int | float


# redis-py's own base classes disagree over two methods.
class Redis(Link, TypedCommands):  # type: ignore[misc]  # ty: ignore[incompatible-method-override]
    """Many callers, one socket: whatever is asked while a write is under way goes out in the next one.

    A command that was posted stays in line whatever becomes of its caller, so a cancellation never shifts
    answers. A command whose connection breaks is never sent again by itself: its reply fails and the caller
    decides.

    Do not block here (XREAD with BLOCK, BLPOP): it would hold up every other caller. A reader that blocks has
    a Redis of its own, made with `blocking`.

    :param blocking: seconds the longest blocking read may take; 0 if there are none
    :param connect_wait: seconds `call` waits for a connection
    :param max_unsent: bytes queued and not yet taken by the peer above which `call` waits
    """

    def __init__(
        self,
        endpoint: str | Endpoint,
        *,
        name: str = "mas",
        scripts: Sequence[Script] = (),
        response_timeout: float = 5,
        blocking: float = 0,
        connect_timeout: float = 5,
        connect_wait: float = 5,
        backoff_cap: float = 2,
        max_unsent: int = MAX_UNSENT,
        clock: Clock = SYSTEM,
    ) -> None:
        super().__init__(
            endpoint,
            name=name,
            scripts=scripts,
            response_timeout=response_timeout,
            connect_timeout=connect_timeout,
            backoff_cap=backoff_cap,
            clock=clock,
        )
        self.blocking, self.connect_wait, self.max_unsent = blocking, connect_wait, max_unsent
        self._pipeline: Pipeline | None = None

    def post(self, *command: Argument) -> Reply:
        """Queue a command at once and return the reply due; without a connection it has already failed.

        Commands posted one after the other without an await between them reach Redis in that order and,
        unless somebody else's write is cut between them, in one packet.

        :raises TypeError: if an argument is none of the four types
        """
        if self._pipeline is not None:
            return self._pipeline.post(command)
        reply = Reply(Burst())
        reply.settle(RedisUnavailable(self.trouble))
        return reply

    async def call(self, *command: Argument) -> Any:
        """Send a command and return the raw answer: bytes, integers, lists.

        :raises redis.exceptions.ResponseError: if the server answered with an error
        :raises RedisUnavailable: without a connection for `connect_wait`, or if it broke before the answer
        """
        pipeline = self._pipeline
        if pipeline is None or pipeline.unsent > self.max_unsent:
            pipeline = await self._usable()
        return await pipeline.post(command).result()

    def post_script(self, script: Script, keys: Sequence[str | bytes], args: Sequence[Argument]) -> Reply:
        """Queue a script call by its digest; a NOSCRIPT answer means that nothing happened."""
        return self.post("EVALSHA", script.sha, len(keys), *keys, *args)

    async def run_script(
        self, script: Script, keys: Sequence[str | bytes] = (), args: Sequence[Argument] = ()
    ) -> Any:
        """Call a script, loading it first should the server not have it.

        :raises redis.exceptions.ResponseError: if the server answered with an error
        :raises RedisUnavailable: as `call` does
        """
        try:
            return await self.call("EVALSHA", script.sha, len(keys), *keys, *args)
        except NoScriptError:
            # LOAD keeps it for the next call; EVAL needs nothing kept, should the connection change just now.
            self.post("SCRIPT", "LOAD", script.source)
            return await self.call("EVAL", script.source, len(keys), *keys, *args)

    async def _usable(self) -> Pipeline:
        with anyio.move_on_after(self.connect_wait):
            while True:
                await self.connected()
                if (pipeline := self._pipeline) is not None:
                    if pipeline.unsent <= self.max_unsent:
                        return pipeline
                    await pipeline.room()
        if self._pipeline is not None:
            raise RedisUnavailable(f"{self.endpoint.address} takes no more for {self.connect_wait:g} s")
        raise RedisUnavailable(f"no connection for {self.connect_wait:g} s: {self.trouble}")

    def _open(self, session: Session) -> Pipeline:
        silence = self.response_timeout + self.blocking
        self._pipeline = Pipeline(
            session.stream, silence=silence, clock=self.clock, blocking=self.blocking > 0
        )
        return self._pipeline

    def _close(self, reason: str) -> None:
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.abandon(reason)


open_redis = opener(Redis)
"""Open a connection for the length of a block; the parameters are those of `Redis` and `Link`.

:raises RedisUnavailable: if there is none within `connect_timeout`, naming host and port
:raises RedisTooOld: if the server is older than Redis 7.0 or Valkey 7.2
:raises ConfigurationError: if the URL cannot be read
"""
