"""`message_signing:` in gateway.yaml: how far a signed time may be off."""

from typing import Annotated

from attrs import field, frozen

from mas.settings.fields import Within, by_type, spelled


@frozen(kw_only=True, field_transformer=by_type)
class SigningSettings:
    """What the gateway demands of a message's proof."""

    max_drift: Annotated[float, Within(1, 3600, "s")] = field(
        default=300.0, metadata=spelled("max_drift", "max_timestamp_drift")
    )
    """How far a message's signed time may lie from Redis' clock, either way, in seconds."""
