"""gateway.yaml: one section for each policy, one file for each section."""

from typing import Annotated

import attrs
from attrs import Factory, frozen

from mas.settings.fields import Within, by_type
from mas.settings.gateway.audit import AuditSettings
from mas.settings.gateway.authentication import AuthenticationSettings
from mas.settings.gateway.circuit_breaker import CircuitSettings
from mas.settings.gateway.dead_letters import LetterSettings
from mas.settings.gateway.delivery import DeliverySettings
from mas.settings.gateway.dlp import DlpSettings
from mas.settings.gateway.features import FeatureSettings
from mas.settings.gateway.limits import LimitSettings
from mas.settings.gateway.message_signing import SigningSettings
from mas.settings.gateway.rate_limit import RateLimitSettings, RateOverride
from mas.settings.gateway.redis import RedisSettings

__all__ = [
    "OBSOLETE",
    "AuditSettings",
    "AuthenticationSettings",
    "CircuitSettings",
    "DeliverySettings",
    "DlpSettings",
    "FeatureSettings",
    "GatewaySettings",
    "LetterSettings",
    "LimitSettings",
    "RateLimitSettings",
    "RateOverride",
    "RedisSettings",
    "SigningSettings",
]

OBSOLETE = {
    ("redis", "decode_responses"): "replies are decoded where they are used",
    ("message_signing", "nonce_ttl"): "it follows from delivery.ingress_retention and max_drift",
}
"""Keys of earlier releases that are passed over with a warning, and why nothing needs them."""


@frozen(kw_only=True, field_transformer=by_type)
class GatewaySettings:
    """All of gateway.yaml; a key left out has its default."""

    redis: RedisSettings = Factory(RedisSettings)
    features: FeatureSettings = Factory(FeatureSettings)
    rate_limit: RateLimitSettings = Factory(RateLimitSettings)
    circuit_breaker: CircuitSettings = Factory(CircuitSettings)
    dlp: DlpSettings = Factory(DlpSettings)
    message_signing: SigningSettings = Factory(SigningSettings)
    authentication: AuthenticationSettings = Factory(AuthenticationSettings)
    delivery: DeliverySettings = Factory(DeliverySettings)
    limits: LimitSettings = Factory(LimitSettings)
    dead_letters: LetterSettings = Factory(LetterSettings)
    audit: AuditSettings = Factory(AuditSettings)

    batch: Annotated[int, Within(1, 64, "messages")] = 64
    """Messages decided in one commit; larger batches block Redis longer and gain nothing."""

    @property
    def switched_off(self) -> tuple[str, ...]:
        """Return the policies that gateways are told not to apply."""
        off = tuple(name for name in attrs.fields_dict(FeatureSettings) if not getattr(self.features, name))
        return off if self.rate_limit.enabled else (*off, "rate_limit")

    @property
    def longest_in_flight(self) -> float:
        """Return how long a submission may wait for its decision, with what clocks may be off, in seconds."""
        return self.delivery.ingress_retention + 2 * self.message_signing.max_drift
