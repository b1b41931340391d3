"""How much each agent may send, and to whom, as the commit's token buckets want it."""

from collections.abc import Callable
from functools import lru_cache

from mas.gateway.change import Bucket
from mas.ids import AgentId
from mas.keys import Keys
from mas.settings import RateLimitSettings, RateOverride

LUA = """
local levels, paid = {}, {}
for i, bucket in ipairs(buckets) do
  local level = {}
  for j, limit in ipairs(bucket[2]) do
    local kept = redis.call('HMGET', bucket[1], limit[1], limit[1] .. ':at')
    local since = math.max(0, now - (tonumber(kept[2]) or now))
    level[j] = math.min(limit[2], (tonumber(kept[1]) or limit[2]) + since * limit[3])
  end
  levels[i] = level
end

local function bucket_wait(paying)
  local wait = 0
  for _, i in ipairs(paying) do
    for j, limit in ipairs(buckets[i][2]) do
      if levels[i][j] < 1 then wait = math.max(wait, (1 - levels[i][j]) / limit[3]) end
    end
  end
  return wait
end

local function bucket_pay(paying)
  for _, i in ipairs(paying) do
    paid[i] = true
    for j in ipairs(levels[i]) do levels[i][j] = levels[i][j] - 1 end
  end
end

local function buckets_keep()
  for i in pairs(paid) do
    local longest = 1
    for j, limit in ipairs(buckets[i][2]) do
      local level, at = tostring(levels[i][j]), string.format('%.6f', now)
      redis.call('HSET', buckets[i][1], limit[1], level, limit[1] .. ':at', at)
      longest = math.max(longest, limit[2] / limit[3])
    end
    redis.call('EXPIRE', buckets[i][1], math.ceil(longest) + 1)
  end
end
"""
"""On Redis' clock, grouped by sender: a batch reads and writes each sender's buckets once."""

_NONE = RateOverride()
Buckets = tuple[Bucket, ...]


def buckets_for(settings: RateLimitSettings, keys: Keys) -> Callable[[AgentId, AgentId], Buckets]:
    """Return what finds the buckets that pay for a message, by its sender and target.

    A bucket holds `burst` messages, or a whole period's where no burst is set, and refills evenly. All must
    hold a message for it to pass, and none pays unless all do.
    """
    general = RateOverride(per_minute=settings.per_minute, per_hour=settings.per_hour, burst=settings.burst)

    @lru_cache(maxsize=10_000)
    def own(sender: AgentId) -> Buckets:
        return _bucket(keys.rate_limit(sender), settings.overrides.get(sender, _NONE), general)

    @lru_cache(maxsize=10_000)
    def of_pair(sender: AgentId, target: AgentId) -> Buckets:
        limit = settings.pairs.get(f"{sender} -> {target}")
        found = () if limit is None else _bucket(keys.pair_rate_limit(sender, target), limit, _NONE)
        return own(sender) + found

    def none(sender: AgentId, target: AgentId) -> Buckets:  # noqa: ARG001 - nobody is limited
        return ()

    def by_sender(sender: AgentId, target: AgentId) -> Buckets:  # noqa: ARG001 - no pair is
        return own(sender)

    if not settings.enabled:
        return none
    return of_pair if settings.pairs else by_sender


def _bucket(key: str, limit: RateOverride, general: RateOverride) -> Buckets:
    burst = limit.burst or general.burst
    limits = tuple(
        (name, float(min(burst or amount, amount)), amount / seconds)
        for name, amount, seconds in (
            ("minute", limit.per_minute or general.per_minute, 60),
            ("hour", limit.per_hour or general.per_hour, 3600),
        )
        if amount is not None
    )
    return (Bucket(key, limits),) if limits else ()
