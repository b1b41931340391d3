"""How much each agent may send, as the commit's token buckets want it."""

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

local function bucket_wait(i)
  local wait = 0
  for j, limit in ipairs(buckets[i][2]) do
    if levels[i][j] < 1 then wait = math.max(wait, (1 - levels[i][j]) / limit[3]) end
  end
  return wait
end

local function bucket_pay(i)
  paid[i] = true
  for j in ipairs(levels[i]) do levels[i][j] = levels[i][j] - 1 end
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
