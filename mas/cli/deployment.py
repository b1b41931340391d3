"""Reach a deployment that runs: its Redis, its keys, and the secret that proves who asks."""

import getpass
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from mas.audit import Events
from mas.directory import SCRIPTS
from mas.errors import ConfigurationError
from mas.keys import Keys
from mas.redis import EmbeddedServer, Redis, open_redis
from mas.settings import Settings, deployment_secret, load
from mas.settings.deployment import NAME as SECRET_NAME
from mas.steering import Operator
from mas.steering.operator import BLOCK
from mas.trust import Keyring


class Reached(NamedTuple):
    """A deployment within reach."""

    settings: Settings
    url: str
    redis: Redis
    """Opened for reads that block for `BLOCK`; nobody else's."""
    keys: Keys
    keyring: Keyring
    events: Events
    """Writes what is done to the trail of security events; flushed at the end."""
    actor: str
    """Whom the trail is to name."""


@asynccontextmanager
async def reaching(config: Path | None) -> AsyncGenerator[Reached]:
    """Reach the deployment that a configuration describes, for the length of a block.

    :param config: agents.yaml, or None to search for it
    :raises ConfigurationError: if the configuration cannot be used, or its secret is not here
    :raises RedisUnavailable: if its Redis cannot be reached
    """
    settings = load(config)
    keyring, keys = Keyring(_secret(settings)), Keys(settings.namespace)
    url = settings.redis_url.reveal() if settings.redis_url else EmbeddedServer(settings.data_dir).url
    timeouts = settings.gateway.redis
    async with open_redis(
        url,
        name="mas:operator",
        scripts=SCRIPTS,
        blocking=BLOCK,
        response_timeout=timeouts.response_timeout,
        connect_timeout=timeouts.connect_timeout,
    ) as redis:
        events = Events(redis, keys, keyring, f"cli:{socket.gethostname()}")
        yield Reached(settings, url, redis, keys, keyring, events, _actor())
        await events.flush()


@asynccontextmanager
async def operating(config: Path | None) -> AsyncGenerator[Operator]:
    """Give an operator of the deployment; the parameter and the errors are those of `reaching`."""
    async with reaching(config) as there:
        yield Operator(there.redis, there.keys, there.keyring, actor=there.actor)


def _secret(settings: Settings) -> bytes:
    """Return the deployment's secret; one that nobody has generated yet is not made here."""
    path = settings.data_dir / SECRET_NAME
    if "MAS_SECRET" not in os.environ and settings.secret_file is None and not os.path.lexists(path):
        raise ConfigurationError(
            "the deployment's secret is not here",
            where=str(path),
            hint="set MAS_SECRET or secret_file to the one that the system runs with",
        )
    return deployment_secret(settings).encode()


def _actor() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
