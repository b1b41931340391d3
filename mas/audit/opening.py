"""Open the trail of a deployment, given its configuration: for the command line and for programs."""

import os
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.exceptions import ResponseError

from mas.audit.access import AuditTrail
from mas.audit.actor import actor as this_user
from mas.audit.chain import APPEND
from mas.audit.events import Events
from mas.audit.places import Places
from mas.keys import Keys
from mas.redis import Endpoint, RedisRefused, open_redis
from mas.settings import Settings, load, way_in


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
    :raises ConfigurationError: if the configuration cannot be used, or the deployment's secret is not here
    :raises RedisUnavailable: at once if nothing runs here, and if Redis does not answer, or refuses a command
    """
    settings = load(config, environ=environ)
    keyring, url = way_in(settings, environ)
    keys = Keys(settings.namespace)
    timeouts = settings.gateway.redis
    places = Places.of(settings.gateway.audit, settings.data_dir, settings.base, settings.namespace)
    async with open_redis(
        Endpoint.parse(url, allow_plaintext=timeouts.allow_plaintext),
        name="mas:audit",
        scripts=(APPEND,),
        response_timeout=timeouts.response_timeout,
        connect_timeout=timeouts.connect_timeout,
    ) as redis:
        events = Events(redis, keys, keyring, f"reader at {socket.gethostname()}", brief=True)
        try:
            yield AuditTrail(redis, keys, keyring, events, places, actor=actor or this_user())
        except ResponseError as error:
            raise RedisRefused(f"{redis.endpoint.address} refused a command: {error}") from error
