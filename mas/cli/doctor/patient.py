"""What is looked at: the settings, the secret and the Redis of one deployment, or why they cannot be."""

import errno
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from mas.cli.doctor.finding import CannotLook
from mas.clock import Clock
from mas.errors import MasError
from mas.keys import Keys
from mas.redis import EmbeddedServer, Endpoint, Redis, open_redis
from mas.settings import Settings, deployment_secret, load
from mas.settings.deployment import to_be_made
from mas.trust import Keyring

Trouble = MasError | OSError


class Patient:
    """Each property gives what it is named for, or raises `CannotLook`.

    :ivar misfit: why the configuration cannot be used, if it cannot
    :ivar trouble: why Redis cannot be used, if it cannot; None too where nothing runs that has one
    :ivar left_behind: whether an embedded server ended without time to clear up
    """

    def __init__(self, config: Path | None, environ: Mapping[str, str], clock: Clock) -> None:
        self.environ, self.clock = environ, clock
        self.misfit: Trouble | None = None
        self.trouble: Trouble | None = None
        self.left_behind = False
        self._settings: Settings | None = None
        self._redis: Redis | None = None
        self._unopened = ""
        self._info: dict[str, str] = {}
        try:
            self._settings = load(config, environ=environ)
        except (MasError, OSError) as error:
            self.misfit = error

    @property
    def settings(self) -> Settings:
        """The settings that a run would have."""
        if self._settings is None:
            raise CannotLook("the configuration cannot be used")
        return self._settings

    @property
    def keys(self) -> Keys:
        """The names of everything in Redis."""
        return Keys(self.settings.namespace)

    @property
    def keyring(self) -> Keyring:
        """The keys made of the deployment's secret; one that nobody has generated yet is not made here."""
        if to_be_made(self.settings, self.environ) is not None:
            raise CannotLook("the deployment's secret is not here")
        try:
            return Keyring(deployment_secret(self.settings, self.environ).encode())
        except (MasError, OSError) as error:
            raise CannotLook("the deployment's secret cannot be used") from error

    @property
    def redis(self) -> Redis:
        """The Redis of the deployment."""
        _ = self.settings
        if self.trouble is not None:
            raise CannotLook("Redis cannot be used")
        if self._redis is None:
            raise CannotLook(self._unopened or "nothing runs here: mas run starts Redis")
        return self._redis

    @property
    def idle(self) -> bool:
        """Whether all is as it is while no system runs on an embedded server."""
        return not (self._redis or self.misfit or self.trouble or self._unopened)

    @property
    def endpoint(self) -> Endpoint:
        """Where Redis is.

        :raises ConfigurationError: if the URL cannot be used
        """
        url = self.settings.redis_url
        if url is None:
            return EmbeddedServer(self.settings.data_dir).endpoint
        return Endpoint.parse(url.reveal(), allow_plaintext=self.settings.gateway.redis.allow_plaintext)

    async def info(self) -> Mapping[str, str]:
        """Return what INFO tells, by name; asked once.

        :raises redis.exceptions.ResponseError: if our user may not ask
        """
        if not self._info:
            told: bytes = await self.redis.call("INFO")
            lines = (line.partition(":") for line in told.decode("utf-8", "replace").splitlines())
            self._info = {name: value for name, colon, value in lines if colon}
        return self._info

    async def server_setting(self, name: str) -> str:
        """Return a setting of the server, as CONFIG GET has it.

        :raises redis.exceptions.ResponseError: if our user may not ask
        """
        told = await self.redis.call("CONFIG", "GET", name)
        return told[1].decode("utf-8", "replace") if len(told) > 1 else ""

    def lose(self, trouble: Trouble) -> None:
        """Note that Redis stopped answering: no further check waits for it."""
        self.trouble = trouble

    @asynccontextmanager
    async def at_hand(self) -> AsyncGenerator[None]:
        """Hold a connection to Redis for the length of a block, if there can be one."""
        async with AsyncExitStack() as stack:
            try:
                if self._settings is not None and (place := self._place()) is not None:
                    wait = self._settings.gateway.redis
                    # Without scripts: loading one would be a change.
                    link = open_redis(
                        place,
                        name="mas:doctor",
                        response_timeout=wait.response_timeout,
                        connect_timeout=wait.connect_timeout,
                        connect_wait=wait.connect_timeout,
                        clock=self.clock,
                    )
                    self._redis = await stack.enter_async_context(link)
            except CannotLook as reason:
                self._unopened = str(reason)
            except (MasError, OSError) as error:
                self.trouble = error
            yield

    def _place(self) -> Endpoint | None:
        """Return where to connect; None where nothing can be: an embedded server goes with its system."""
        if self.settings.redis_url is not None:
            return self.endpoint
        with socket.socket(socket.AF_UNIX) as probe:
            problem = probe.connect_ex(self.endpoint.path)
        self.left_behind = problem == errno.ECONNREFUSED
        if problem in {errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED}:
            return None
        return EmbeddedServer(self.settings.data_dir, password=self.keyring.server_password()).endpoint
