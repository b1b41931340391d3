"""What the gateway may decide about a message, in the words that audit, errors and metrics share."""

from enum import StrEnum


class Decision(StrEnum):
    """The outcome of one message's walk through the gateway."""

    ALLOWED = "ALLOWED"
    AUTH_FAILED = "AUTH_FAILED"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    REPLAYED = "REPLAYED"
    AUTHZ_DENIED = "AUTHZ_DENIED"
    RATE_LIMITED = "RATE_LIMITED"
    CIRCUIT_OPEN = "CIRCUIT_OPEN"
    DLP_BLOCKED = "DLP_BLOCKED"
    DLP_REDACTED = "DLP_REDACTED"
    DLP_ALERT = "DLP_ALERT"
    BACKLOG_FULL = "BACKLOG_FULL"
    TARGET_UNKNOWN = "TARGET_UNKNOWN"
    MALFORMED = "MALFORMED"
    TOO_LARGE = "TOO_LARGE"
    EXPIRED = "EXPIRED"
    DEAD_LETTERED = "DEAD_LETTERED"
    """Delivered before, and given up by its receiver."""

    @property
    def delivers(self) -> bool:
        """Whether a message decided so reaches its target's stream."""
        return self in _DELIVERING

    @property
    def notifies(self) -> bool:
        """Whether the sender is told: only one that proved who it is gets an answer."""
        return not self.delivers and self not in _UNPROVEN


_DELIVERING = frozenset({Decision.ALLOWED, Decision.DLP_REDACTED, Decision.DLP_ALERT})
_UNPROVEN = frozenset(
    {Decision.AUTH_FAILED, Decision.SIGNATURE_INVALID, Decision.MALFORMED, Decision.REPLAYED}
)
