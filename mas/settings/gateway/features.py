"""`features:` in gateway.yaml: which policies the gateway applies."""

from attrs import frozen

from mas.settings.fields import by_type


@frozen(kw_only=True, field_transformer=by_type)
class FeatureSettings:
    """What can be switched off; authentication and authorization of each pair cannot."""

    dlp: bool = True
    """Scan payloads for sensitive data."""

    rbac: bool = True
    """Honour roles and their assignments, besides grants to single agents."""

    message_signing: bool = True
    """Verify each message's proof and refuse replays."""

    circuit_breaker: bool = True
    """Refuse messages to an agent that keeps failing, until it recovers."""
