"""Reach a deployment that runs: its Redis, its keys, and the secret that proves who asks."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from redis.exceptions import ResponseError

from mas.audit import SCRIPTS as AUDIT_SCRIPTS
from mas.audit import Events
from mas.audit.actor import actor
from mas.directory import SCRIPTS as DIRECTORY_SCRIPTS
from mas.keys import Keys
from mas.redis import Endpoint, Redis, RedisRefused, Script, open_redis
from mas.registry import SCRIPTS as REGISTRY_SCRIPTS
from mas.settings import Settings, load, way_in
from mas.steering import Operator
from mas.steering.operator import BLOCK
from mas.trust import Keyring


class Deployment(NamedTuple):
    """What an operator's command works with."""

    settings: Settings
    redis: Redis
    keys: Keys
    keyring: Keyring
    actor: str
    """Whom the audit trail is to name."""
    events: Events
    """The trail of security events: awaited with `write`."""


@asynccontextmanager
async def reaching(
    config: Path | None,
    *,
    scripts: tuple[Script, ...] = (*DIRECTORY_SCRIPTS, *REGISTRY_SCRIPTS, *AUDIT_SCRIPTS),
    blocking: float = 0,
) -> AsyncGenerator[Deployment]:
    """Open the Redis of the deployment that a configuration describes, with its secret.

    :param config: agents.yaml, or None to search for it
    :param scripts: what the command calls
    :param blocking: seconds that its longest read waits
    :raises ConfigurationError: if the configuration cannot be used, or its secret is not here
    :raises RedisUnavailable: if its Redis cannot be reached, or refuses what the command needs
    """
    settings = load(config)
    keyring, url = way_in(settings)
    keys = Keys(settings.namespace)
    timeouts = settings.gateway.redis
    async with open_redis(
        Endpoint.parse(url, allow_plaintext=timeouts.allow_plaintext),
        name="mas:operator",
        scripts=scripts,
        blocking=blocking,
        response_timeout=timeouts.response_timeout,
        connect_timeout=timeouts.connect_timeout,
    ) as redis:
        events = Events(redis, keys, keyring, f"operator at {socket.gethostname()}", brief=True)
        try:
            yield Deployment(settings, redis, keys, keyring, actor(), events)
        except ResponseError as error:
            raise RedisRefused(f"{redis.endpoint.address} refused a command: {error}") from error


@asynccontextmanager
async def operating(config: Path | None) -> AsyncGenerator[Operator]:
    """Give an operator of the deployment that a configuration describes; raises what `reaching` does."""
    async with reaching(config, scripts=(), blocking=BLOCK) as deployment:
        yield Operator(deployment.redis, deployment.keys, deployment.keyring, actor=deployment.actor)
