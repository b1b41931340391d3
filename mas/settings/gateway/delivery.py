"""`delivery:` in gateway.yaml: how long and how often a message is tried."""

from typing import Annotated

from attrs import frozen

from mas.errors import ConfigurationError
from mas.settings.fields import Within, by_type


@frozen(kw_only=True, field_transformer=by_type)
class DeliverySettings:
    """Leases, retries and the bounds of what may wait."""

    lease: Annotated[float, Within(1, 3600, "s")] = 30.0
    """How long a consumer owns a message unless it renews, in seconds."""

    max_attempts: Annotated[int, Within(1, 1000, "attempts")] = 5
    """Starts of a handler before the message becomes a dead letter."""

    backoff_first: Annotated[float, Within(0.001, 3600, "s")] = 0.2
    """The longest pause before the second attempt, in seconds; it doubles with each failure."""

    backoff_cap: Annotated[float, Within(0.001, 86_400, "s")] = 30.0
    """The longest pause before any attempt, in seconds."""

    max_backlog: Annotated[int, Within(1, 100_000_000, "entries")] = 100_000
    """Messages that may wait for one target before senders are refused, BACKLOG_FULL."""

    ingress_retention: Annotated[float, Within(60, 604_800, "s")] = 3600.0
    """How long a message may wait for a gateway before it becomes a dead letter, in seconds."""

    seal_lifetime: Annotated[float, Within(60, 2_592_000, "s")] = 86_400.0
    """How long a delivered message may be handled, in seconds; its receiver refuses it later."""

    def __attrs_post_init__(self) -> None:
        for shorter, longer in (("backoff_first", "backoff_cap"), ("lease", "seal_lifetime")):
            if getattr(self, shorter) > getattr(self, longer):
                raise ConfigurationError(
                    f"{shorter} ({getattr(self, shorter):g} s) is longer than "
                    f"{longer} ({getattr(self, longer):g} s)"
                )
