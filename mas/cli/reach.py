"""Reach a deployment's Redis with its secret, for as long as one command takes."""

import getpass
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from mas.audit import SCRIPTS as AUDIT_SCRIPTS
from mas.audit import Events
from mas.errors import ConfigurationError
from mas.keys import Keys
from mas.redis import EmbeddedServer, Redis, open_redis
from mas.registry import SCRIPTS
from mas.settings import Settings, deployment_secret, load
from mas.settings.deployment import NAME as SECRET_NAME
from mas.trust import Keyring


class Reached(NamedTuple):
    """What an operator's command works with."""

    settings: Settings
    redis: Redis
    keys: Keys
    keyring: Keyring
    events: Events
    """Posted to, and written by `flush`."""
    actor: str


@asynccontextmanager
async def reached(config: Path | None) -> AsyncGenerator[Reached]:
    """Open the Redis of the deployment that a configuration describes.

    :param config: agents.yaml, or None to search for it
    :raises ConfigurationError: if the configuration cannot be used, or its secret is not here
    :raises RedisUnavailable: if its Redis cannot be reached
    """
    settings = load(config)
    keys, keyring = Keys(settings.namespace), Keyring(_secret(settings))
    url = settings.redis_url.reveal() if settings.redis_url else EmbeddedServer(settings.data_dir).url
    wait = settings.gateway.redis
    async with open_redis(
        url,
        name="mas:operator",
        scripts=(*SCRIPTS, *AUDIT_SCRIPTS),
        response_timeout=wait.response_timeout,
        connect_timeout=wait.connect_timeout,
    ) as redis:
        events = Events(redis, keys, keyring, f"operator at {socket.gethostname()}")
        yield Reached(settings, redis, keys, keyring, events, _actor())


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
