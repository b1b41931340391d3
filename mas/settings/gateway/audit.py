"""`audit:` in gateway.yaml: how closely the trail is sealed."""

from typing import Annotated

from attrs import frozen

from mas.settings.fields import Within, by_type


@frozen(kw_only=True, field_transformer=by_type)
class AuditSettings:
    """How far seals may lag behind records."""

    seal_interval: Annotated[float, Within(0.1, 60, "s")] = 1.0
    """The longest a record waits for its seal while the sealer runs, in seconds."""

    seal_batch: Annotated[int, Within(1, 100_000, "records")] = 1000
    """The most records one seal covers."""

    max_unsealed: Annotated[int, Within(1000, 100_000_000, "records")] = 100_000
    """Unsealed records at which the gateway stops committing and raises an alarm."""
