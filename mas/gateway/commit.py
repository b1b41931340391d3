"""One batch of decisions, made true in one atomic step.

The script asks Redis for what only Redis knows (the policy's version, tokens, replay marks, buckets,
backlogs) and writes what was decided. A script does not roll back, so all that can fail comes before
an entry's first write, and the first write is the fence: XACK answers 1 to one gateway only.

What the script decides otherwise than the stages did, it leaves untouched and reports; the gateway
then commits the refusal with its record. So no outcome exists without a record of just that outcome.

Redis Cluster is out of scope: the keys are inside the one packed argument. All of it is text, for Lua's
unpacker does not know MessagePack's binary type.
"""

from enum import IntEnum

import msgspec

from mas.keys import REPLAY_BLOCK
from mas.redis import Script


class Outcome(IntEnum):
    """What became of one change. From `RATE_LIMITED` on, the excess is the wait in milliseconds."""

    DONE = 0
    FENCED = 1
    """Somebody else committed it."""
    TOKEN_INVALID = 2
    REPLAYED = 3
    ANSWERED = 4
    BACKLOG_FULL = 5
    UNDELIVERABLE = 6
    """The target's key holds something that is no stream."""
    RATE_LIMITED = 1000


STALE_POLICY = -1
"""The whole batch was left alone: the policy changed."""


class Mark(msgspec.Struct, array_like=True, frozen=True):
    """A bit that may be set once; no key means nothing to mark."""

    key: str = ""
    bit: int = 0

    @classmethod
    def of(cls, key: str, sequence: int) -> "Mark":
        """Place a sequence number's mark in its block."""
        return cls(key, sequence % REPLAY_BLOCK)


NO_MARK = Mark()


class Write(msgspec.Struct, array_like=True, frozen=True):
    """One entry to append, names and values in turn."""

    stream: str
    fields: tuple[str, ...]


class Removal(msgspec.Struct, array_like=True, frozen=True):
    """A delivery to take off its stream, if this consumer still owns it; no stream means none."""

    stream: str = ""
    group: str = ""
    consumer: str = ""
    entry: str = ""


NO_REMOVAL = Removal()


class Change(msgspec.Struct, array_like=True):
    """All that one decision does."""

    ingress: str
    entry: str
    writes: tuple[Write, ...]
    token: int = 0
    """Which of the commit's tokens must be valid, counted from 1; 0 for a sender that proved nothing."""
    bucket: int = 0
    """Which of the commit's buckets pays, counted from 1; 0 for none."""
    mark: Mark = NO_MARK
    answered: Mark = NO_MARK
    target: str = ""
    """The stream whose backlog is capped; empty for none."""
    removal: Removal = NO_REMOVAL
    ring: str = ""
    """The channel to ring; empty for none."""
    ring_for: str = ""
    """The instance the mail is for; empty for any."""


class Token(msgspec.Struct, array_like=True, frozen=True):
    """A token hash that must still stand."""

    key: str
    expected: str


class Bucket(msgspec.Struct, array_like=True, frozen=True):
    """A sender's token buckets: (name, capacity in messages, refill in messages a second) each."""

    key: str
    limits: tuple[tuple[str, float, float], ...]


class Commit(msgspec.Struct, array_like=True):
    """What one call of the script is given."""

    policy_key: str
    policy_version: str
    group: str
    mark_seconds: int
    """How long replay marks are kept."""
    permit_seconds: int
    """How long the marks of used permits are kept."""
    max_backlog: int
    audit: str
    dead_letters: str
    tokens: list[Token]
    buckets: list[Bucket]
    changes: list[Change]


pack = msgspec.msgpack.Encoder().encode

COMMIT = Script(
    "commit",
    # The shebang makes Redis refuse the whole script when memory is short, not its middle.
    """#!lua
local policy, version, group, mark_seconds, permit_seconds, max_backlog, audit, dead,
  tokens, buckets, changes = unpack(cmsgpack.unpack(ARGV[1]))
if redis.call('GETRANGE', policy, 0, 31) ~= version then return -1 end
redis.call('XLEN', audit)
redis.call('XLEN', dead)

local valid = {}
for i, token in ipairs(tokens) do valid[i] = redis.call('GET', token[1]) == token[2] end

local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1e6
local levels = {}
for i, bucket in ipairs(buckets) do
  local level = {}
  for j, limit in ipairs(bucket[2]) do
    local kept = redis.call('HMGET', bucket[1], limit[1], limit[1] .. ':at')
    local since = math.max(0, now - (tonumber(kept[2]) or now))
    level[j] = math.min(limit[2], (tonumber(kept[1]) or limit[2]) + since * limit[3])
  end
  levels[i] = level
end

local function wait_for(i)
  local wait = 0
  for j, limit in ipairs(buckets[i][2]) do
    if levels[i][j] < 1 then wait = math.max(wait, (1 - levels[i][j]) / limit[3]) end
  end
  return wait
end

local outcomes, acked, marked, answers, rung, paid, length = {}, {}, {}, {}, {}, {}, {}
for i, change in ipairs(changes) do
  local ingress, entry, writes, token, bucket, mark, answered, target, removal,
    ring, ring_for = unpack(change)
  local outcome = 0
  if target ~= '' and not length[target] then
    local size = redis.pcall('XLEN', target)
    length[target] = type(size) == 'number' and size or false
    if length[target] == false then outcome = 6 end
  end
  local wait = bucket > 0 and wait_for(bucket) or 0
  if outcome ~= 0 then
  elseif token > 0 and not valid[token] then outcome = 2
  elseif mark[1] ~= '' and redis.call('GETBIT', mark[1], mark[2]) == 1 then outcome = 3
  elseif answered[1] ~= '' and redis.call('GETBIT', answered[1], answered[2]) == 1 then outcome = 4
  elseif target ~= '' and length[target] >= max_backlog then outcome = 5
  elseif wait > 0 then outcome = 1000 + math.ceil(wait * 1000)
  elseif redis.call('XACK', ingress, group, entry) == 0 then outcome = 1
  else
    acked[ingress] = acked[ingress] or {}
    table.insert(acked[ingress], entry)
    if mark[1] ~= '' then
      redis.call('SETBIT', mark[1], mark[2], 1)
      marked[mark[1]] = true
    end
    if answered[1] ~= '' then
      redis.call('SETBIT', answered[1], answered[2], 1)
      answers[answered[1]] = true
    end
    if bucket > 0 then
      paid[bucket] = true
      for j in ipairs(levels[bucket]) do levels[bucket][j] = levels[bucket][j] - 1 end
    end
    if removal[1] ~= '' then
      local held = redis.pcall('XPENDING', removal[1], removal[2], removal[4], removal[4], 1, removal[3])
      if #held == 0 then
        outcome, writes = 1, {}
      else
        redis.call('XACK', removal[1], removal[2], removal[4])
        redis.call('XDEL', removal[1], removal[4])
      end
    end
    for _, write in ipairs(writes) do redis.pcall('XADD', write[1], '*', unpack(write[2])) end
    if target ~= '' then length[target] = length[target] + 1 end
    if ring ~= '' then rung[ring] = rung[ring] or {}; rung[ring][ring_for] = true end
  end
  outcomes[i] = outcome
end

for key in pairs(marked) do redis.call('EXPIRE', key, mark_seconds) end
for key in pairs(answers) do redis.call('EXPIRE', key, permit_seconds) end
for i in pairs(paid) do
  local longest = 1
  for j, limit in ipairs(buckets[i][2]) do
    local level, at = tostring(levels[i][j]), string.format('%.6f', now)
    redis.call('HSET', buckets[i][1], limit[1], level, limit[1] .. ':at', at)
    longest = math.max(longest, limit[2] / limit[3])
  end
  redis.call('EXPIRE', buckets[i][1], math.ceil(longest) + 1)
end
-- Never what was fenced: a destroyed group acknowledges nothing, and its entries are still to be decided.
for ingress, entries in pairs(acked) do redis.call('XDEL', ingress, unpack(entries)) end
for channel, instances in pairs(rung) do
  for instance in pairs(instances) do redis.call('PUBLISH', channel, instance) end
end
return outcomes
""",
)
