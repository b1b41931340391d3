"""Open the trail of a deployment, given its configuration: for the command line and for programs."""

import getpass
import os
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mas.audit.access import AuditTrail
from mas.audit.chain import APPEND
from mas.audit.events import Events
from mas.audit.places import Places
from mas.keys import Keys
from mas.redis import EmbeddedServer, Endpoint, open_redis
from mas.settings import Settings, deployment_secret, load
from mas.trust import Keyring


@asynccontextmanager
async def open_trail(
    config: str | Path | Mapping[str, Any] | Settings | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    actor: str = "",
) -> AsyncGenerator[AuditTrail]:
    """Open a trail for the length of a block; its system must run, or at least its Redis.

    :param config: agents.yaml, or what `mas.open_system` takes or keeps as `settings`; None: the nearest file
    :param environ: where the secret and overrides come from
    :param actor: who looks, for the record of it; empty: this process's user
    :raises ConfigurationError: if the configuration cannot be used
    :raises RedisUnavailable: if Redis does not answer
    """
    settings = load(config, environ=environ)
    keys = Keys(settings.namespace)
    keyring = Keyring(deployment_secret(settings, environ).encode())
    if settings.redis_url:
        url = settings.redis_url.reveal()
    else:
        url = EmbeddedServer(settings.data_dir, password=keyring.server_password()).url
    place = Endpoint.parse(url, allow_plaintext=settings.gateway.redis.allow_plaintext)
    places = Places.of(settings.gateway.audit, settings.data_dir, settings.base)
    async with open_redis(place, name="mas:audit", scripts=(APPEND,)) as redis:
        events = Events(redis, keys, keyring, f"cli@{socket.gethostname()}")
        yield AuditTrail(redis, keys, keyring, events, places, actor=actor or _user())


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
