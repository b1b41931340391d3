"""What opens a deployment that runs, for whoever comes from another process."""

import os
from collections.abc import Mapping

from mas.redis import EmbeddedServer
from mas.settings.deployment import kept_secret
from mas.settings.model import Settings
from mas.trust import Keyring


def way_in(settings: Settings, environ: Mapping[str, str] = os.environ) -> tuple[Keyring, str]:
    """Return a deployment's keys, and the URL of its Redis with whatever password that asks for.

    :raises ConfigurationError: if the deployment's secret is not here, or cannot be used
    :raises RedisUnavailable: at once if its embedded server does not run
    """
    if settings.redis_url is not None:
        return Keyring(kept_secret(settings, environ).encode()), settings.redis_url.reveal()
    # Asked first: where nothing has ever run there is no secret either, and that is not what is wrong.
    EmbeddedServer(settings.data_dir).expect()
    keyring = Keyring(kept_secret(settings, environ).encode())
    return keyring, EmbeddedServer(settings.data_dir, password=keyring.server_password()).url
