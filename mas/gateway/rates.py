"""How much each agent may send, as the commit's token buckets want it."""

from collections.abc import Callable
from functools import lru_cache

from mas.gateway.commit import Bucket
from mas.ids import AgentId
from mas.keys import Keys
from mas.settings import RateLimitSettings, RateOverride

_NONE = RateOverride()


def buckets_for(settings: RateLimitSettings, keys: Keys) -> Callable[[AgentId], Bucket | None]:
    """Return what finds an agent's buckets, None for an agent without limits.

    A bucket holds `burst` messages, or a whole period's where no burst is set, and refills evenly.
    """

    @lru_cache(maxsize=10_000)
    def bucket(agent: AgentId) -> Bucket | None:
        own = settings.overrides.get(agent, _NONE)
        minute = own.per_minute or settings.per_minute
        hour = own.per_hour or settings.per_hour
        burst = own.burst or settings.burst
        limits = tuple(
            (name, float(min(burst or amount, amount)), amount / seconds)
            for name, amount, seconds in (("minute", minute, 60), ("hour", hour, 3600))
            if amount is not None
        )
        return Bucket(keys.rate_limit(agent), limits) if settings.enabled and limits else None

    return bucket
