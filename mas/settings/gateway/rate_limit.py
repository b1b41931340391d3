"""`rate_limit:` in gateway.yaml: how much each agent may send."""

from typing import Annotated

from attrs import Factory, frozen

from mas.ids import AgentId
from mas.settings.fields import Matching, Within, by_type

_ID = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
PAIR = Matching(f"{_ID} -> {_ID}", "a sender and a target: 'ID -> ID'")
Messages = Annotated[int, Within(1, 1_000_000_000, "messages")]


@frozen(kw_only=True, field_transformer=by_type)
class RateOverride:
    """Limits of one agent, each in place of the general one; or of one pair, beside those of its sender."""

    per_minute: Messages | None = None
    """Messages a minute; None: the general limit."""

    per_hour: Messages | None = None
    """Messages an hour; None: the general limit."""

    burst: Messages | None = None
    """Messages at once after a pause; None: the general limit."""


@frozen(kw_only=True, field_transformer=by_type)
class RateLimitSettings:
    """Token buckets by authenticated agent, over all its instances."""

    enabled: bool = True
    """Whether limits that are set bind."""

    per_minute: Messages | None = None
    """Messages a minute and agent; None: unlimited."""

    per_hour: Messages | None = None
    """Messages an hour and agent; None: unlimited."""

    burst: Messages | None = None
    """Messages at once after a pause; None: as many as the limit's period allows."""

    overrides: dict[AgentId, RateOverride] = Factory(dict)
    """Limits by agent id."""

    pairs: dict[Annotated[str, PAIR], RateOverride] = Factory(dict)
    """Limits by `sender -> target`, which bind beside the sender's own."""
