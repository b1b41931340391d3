"""`redis:` in gateway.yaml: where Redis is and how long to wait for it."""

from typing import Annotated

from attrs import field, frozen

from mas.settings.fields import Within, by_type, spelled
from mas.settings.redis_url import RedisUrl


@frozen(kw_only=True, field_transformer=by_type)
class RedisSettings:
    """How the gateway, the registry and the agents of this process reach Redis."""

    url: RedisUrl | None = None
    """Used as given. None: `service_redis_url` of agents.yaml, and without that the embedded server."""

    allow_plaintext: bool = False
    """Whether a URL without TLS may lead to another machine."""

    connect_timeout: Annotated[float, Within(0.1, 300, "s")] = 5.0
    """How long connecting may take, in seconds."""

    response_timeout: Annotated[float, Within(0.1, 300, "s")] = field(
        default=10.0, metadata=spelled("response_timeout", "socket_timeout")
    )
    """How long an answer may take, in seconds; blocking reads add their own time."""
