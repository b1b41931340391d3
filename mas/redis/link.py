"""Keep one connection to Redis for life: connect, serve, and when it breaks connect again."""

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, ParamSpec, TypeVar

import anyio
from anyio.abc import TaskStatus

from mas.clock import SYSTEM, Clock
from mas.errors import ConfigurationError, RedisTooOld, RedisUnavailable
from mas.redis.backoff import full_jitter
from mas.redis.endpoint import Endpoint
from mas.redis.handshake import Session, connect
from mas.redis.line import Line
from mas.redis.refusal import RedisRefused
from mas.redis.script import Script

log: Final = logging.getLogger(__name__)
AnyLink = TypeVar("AnyLink", bound="Link")
How = ParamSpec("How")


class Link(ABC):
    """One connection that comes back by itself.

    :param endpoint: where to; a URL is read as `Endpoint.parse` does
    :param name: what CLIENT LIST shows
    :param scripts: loaded at every connect
    :param response_timeout: seconds the server may owe an answer
    :param connect_timeout: seconds one attempt to connect may take
    :param backoff_cap: seconds between attempts at most
    """

    def __init__(
        self,
        endpoint: str | Endpoint,
        *,
        name: str = "mas",
        scripts: Sequence[Script] = (),
        response_timeout: float = 5,
        connect_timeout: float = 5,
        backoff_cap: float = 2,
        clock: Clock = SYSTEM,
    ) -> None:
        self.endpoint = Endpoint.parse(endpoint)
        self.name, self.scripts = name, tuple(scripts)
        self.response_timeout, self.connect_timeout, self.backoff_cap = (
            response_timeout,
            connect_timeout,
            backoff_cap,
        )
        self.clock = clock
        self.generation = 0
        self.server_version = ""
        self.trouble = f"no answer yet from {self.endpoint.address}"
        self._up: anyio.Event | None = None
        self._online = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.endpoint} generation {self.generation}>"

    @property
    def online(self) -> bool:
        """Whether there is a connection now, as far as is known."""
        return self._online

    @abstractmethod
    def _open(self, session: Session) -> Line:
        """Take a fresh connection into use."""

    @abstractmethod
    def _close(self, reason: str) -> None:
        """Let go of a connection that broke."""

    async def connected(self) -> None:
        """Wait until there is a connection, however long that takes."""
        while not self._online:
            if self._up is None:
                self._up = anyio.Event()
            await self._up.wait()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Own the socket for its life; ready once first connected and checked. Returns only by cancellation.

        Once ready, every failure is mended here. Before, one that waiting cannot mend is raised.

        :raises RedisRefused: if the server refused credentials, certificate or a script before this was ready
        :raises RedisTooOld: if the server lacks what MAS needs
        :raises ConfigurationError: if our own TLS files cannot be used, or it is no single server
        """
        ready, failures = False, 0
        while True:
            try:
                session = await connect(
                    self.endpoint, name=self.name, scripts=self.scripts, timeout=self.connect_timeout
                )
            except (RedisUnavailable, ConfigurationError) as error:
                if not ready and isinstance(error, RedisRefused | RedisTooOld | ConfigurationError):
                    raise
                # A long outage is one warning, not one an attempt.
                log.log(logging.DEBUG if str(error) == self.trouble else logging.WARNING, "%s", error)
                self.trouble = str(error)
            else:
                began = self.clock.monotonic()
                await self._serve(session, task_status if not ready else anyio.TASK_STATUS_IGNORED)
                ready = True
                if self.clock.monotonic() - began > self.backoff_cap:
                    failures = 0
            await self.clock.sleep(full_jitter(failures, self.backoff_cap))
            failures += 1

    async def _serve(self, session: Session, task_status: TaskStatus[None]) -> None:
        self.trouble = "the connection was closed"
        try:
            line = self._open(session)
            self.generation += 1
            self.server_version, self._online = session.server, True
            if self._up is not None:
                self._up.set()
                self._up = None
            task_status.started()
            reason = await line.serve()
            self.trouble = f"lost {self.endpoint.address}: {reason}"
            log.warning("%s", self.trouble)
        finally:
            self._online = False
            self._close(self.trouble)
            await anyio.aclose_forcefully(session.stream)


def opener(kind: Callable[How, AnyLink]) -> Callable[How, AbstractAsyncContextManager[AnyLink]]:
    """Return what makes such a link and keeps it open for the length of a block.

    :param kind: the class; its parameters are those of what is returned
    """

    @asynccontextmanager
    async def open_link(*args: How.args, **kwargs: How.kwargs) -> AsyncGenerator[AnyLink]:
        link = kind(*args, **kwargs)
        async with _keep_open(link):
            yield link

    return open_link


@asynccontextmanager
async def _keep_open(link: Link) -> AsyncGenerator[None]:
    """Run a link beside the block; what the block raises comes out as it was raised.

    :raises RedisUnavailable: if there is no connection within the link's `connect_timeout`
    """
    alone: BaseException | None = None
    try:
        async with anyio.create_task_group() as tasks:
            try:
                with anyio.fail_after(link.connect_timeout):
                    await tasks.start(link.run)
            except TimeoutError:
                raise RedisUnavailable(f"{link.trouble} (tried for {link.connect_timeout:g} s)") from None
            yield
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        alone = group.exceptions[0]
    if alone is not None:
        raise alone
