"""`circuit_breaker:` in gateway.yaml: when a failing agent is left alone, and for how long."""

from typing import Annotated

from attrs import field, frozen

from mas.settings.fields import Within, by_type, spelled


@frozen(kw_only=True, field_transformer=by_type)
class CircuitSettings:
    """One circuit a target, judged by what its handlers report."""

    failure_threshold: Annotated[int, Within(1, 1_000_000, "failures")] = 5
    """Failures within the window that may open the circuit."""

    failure_share: Annotated[float, Within(0, 1, "of all outcomes")] = 0.5
    """The share of the window's outcomes that must be failures as well."""

    window: Annotated[float, Within(1, 86_400, "s")] = field(
        default=60.0, metadata=spelled("window", "window_seconds")
    )
    """The period over which outcomes are counted, in seconds."""

    timeout: Annotated[float, Within(0.1, 86_400, "s")] = field(
        default=30.0, metadata=spelled("timeout", "timeout_seconds")
    )
    """How long it stays open before messages probe, in seconds."""

    probes: Annotated[int, Within(1, 10_000, "messages")] = field(
        default=2, metadata=spelled("probes", "success_threshold")
    )
    """Messages let through while it is half open; that many successes close it."""
