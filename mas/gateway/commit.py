"""One batch of decisions, made true in one atomic step.

The script asks Redis for what only Redis knows (the policy's version, tokens, replay marks, buckets,
backlogs) and writes what was decided. A script does not roll back, so all that can fail comes before
an entry's first write, and the first write is the fence: XACK answers 1 to one gateway only.

What the script decides otherwise than the stages did, it leaves untouched and reports; the gateway
then commits the refusal with its record. So no outcome exists without a record of just that outcome.

Redis Cluster is out of scope: the keys are inside the one packed argument. What each policy asks of
Redis is written beside that policy (`rates`, `circuit`, `chain`), and joined here.
"""

from mas.gateway import chain, circuit, rates
from mas.keys import AGENT_GROUP
from mas.redis import Script

_OPENING = """#!lua
local policy, version, group, mark_seconds, permit_seconds, max_backlog, chain_messages, breaker,
  system, audit, sealed, max_unsealed, dead, nothing, tokens, buckets,
  changes = unpack(cmsgpack.unpack(ARGV[1]))
-- The policy itself, in the place of outcomes: under it the batch is to be decided again.
if redis.call('GETRANGE', policy, 0, 31) ~= version then return redis.call('GET', policy) end
local unsealed = redis.call('XLEN', audit) - (redis.call('HGET', sealed, 'messages') or 0)
if unsealed >= max_unsealed then return -2 end
redis.call('XLEN', dead)
-- A stream whose last id nothing can follow takes no record: then nothing is delivered either.
for _, stream in ipairs({audit, dead}) do
  local told = redis.pcall('XINFO', 'STREAM', stream)
  for at = 1, told.err and 0 or #told, 2 do
    if told[at] == 'last-generated-id' and told[at + 1]:sub(1, 21) == '18446744073709551615-' then
      return stream == audit and -3 or -4
    end
  end
end
-- Whether it may do what it is about to, asked where it does nothing: denied later, it would be half done.
if changes[1] then redis.call('XACK', changes[1][1], group, '0-0') end
redis.call('XADD', nothing, 'NOMKSTREAM', '*', 'x', '')
redis.call('XDEL', nothing, '0-0')
redis.call('EXPIRE', nothing, 1)
if not (redis.acl_check_cmd('HSET', nothing, 'x', '') and redis.acl_check_cmd('INCR', nothing)) then
  return redis.error_reply('NOPERM a gateway needs the rights to HSET and INCR')
end

local valid = {}
for i, token in ipairs(tokens) do valid[i] = redis.call('GET', token[1]) == token[2] end

local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1e6
"""

_CHANGES = """local absent, lost = {}, {}
-- Why an entry for a stream that belongs to somebody cannot be written, as an outcome; 0 if it can. Where
-- the question is denied it can: an error here would leave the batch half done.
local function absence(write)
  local stream, owner = write[1], write[3]
  if not owner then return 0 end
  if not absent[stream] then
    local kind = redis.pcall('TYPE', stream).ok or 'stream'
    if kind == 'none' then
      absent[stream] = redis.pcall('EXISTS', owner) == 0 and 8 or 0
      lost[stream] = absent[stream] == 0
    else absent[stream] = kind == 'stream' and 0 or 6 end
  end
  return absent[stream]
end

local outcomes, acked, marked, answers, rung, length = {}, {}, {}, {}, {}, {}
for i, change in ipairs(changes) do
  local ingress, entry, writes, token, paying, mark, answered, target, circuit, chain,
    report, removal, rings = unpack(change)
  local outcome = 0
  if target ~= '' and not length[target] then
    local size = redis.pcall('XLEN', target)
    length[target] = type(size) == 'number' and size or false
    if length[target] == false then outcome = 6 end
  end
  local wait = bucket_wait(paying)
  local closed_in = circuit ~= '' and circuit_wait(circuit) or 0
  if outcome ~= 0 then
  elseif token > 0 and not valid[token] then outcome = 2
  elseif answered[1] ~= '' and redis.call('GETBIT', answered[1], answered[2]) == 1 then outcome = 4
  elseif answered[1] ~= '' and absence(writes[1]) > 0 then outcome = absence(writes[1])
  elseif target ~= '' and length[target] == 0 and absence(writes[1]) > 0 then outcome = 9
  elseif target ~= '' and length[target] >= max_backlog then outcome = 5
  elseif chain ~= '' and chain_is_spent(chain) then outcome = 7
  elseif closed_in > 0 then outcome = 1000000000 + math.ceil(closed_in * 1000)
  elseif wait > 0 then outcome = 1000 + math.ceil(wait * 1000)
  elseif mark[1] ~= '' and redis.call('SETBIT', mark[1], mark[2], 1) == 1 then outcome = 3
  elseif redis.call('XACK', ingress, group, entry) == 0 then
    outcome = 1
    -- A destroyed group acknowledges nothing: the entry is still to be decided, and no replay then.
    if mark[1] ~= '' then redis.call('SETBIT', mark[1], mark[2], 0) end
  else
    acked[ingress] = acked[ingress] or {}
    table.insert(acked[ingress], entry)
    if mark[1] ~= '' then marked[mark[1]] = true end
    if answered[1] ~= '' then
      redis.call('SETBIT', answered[1], answered[2], 1)
      answers[answered[1]] = true
    end
    bucket_pay(paying)
    if circuit ~= '' and circuit_pass(circuit) then
      table.insert(writes[1][2], 'probe')
      table.insert(writes[1][2], '1')
    end
    if chain ~= '' then chain_pay(chain) end
    if removal[1] ~= '' then
      -- A dead letter belongs to nobody: whoever deletes it may deliver it.
      local held = removal[2] == '' and redis.call('XRANGE', removal[1], removal[4], removal[4])
        or redis.pcall('XPENDING', removal[1], removal[2], removal[4], removal[4], 1, removal[3])
      if #held == 0 then
        outcome, writes, rings = 1, {}, {}
      elseif removal[2] == '' then
        redis.call('XDEL', removal[1], removal[4])
      else
        redis.call('XACK', removal[1], removal[2], removal[4])
        redis.call('XDEL', removal[1], removal[4])
      end
    end
    if report[1] ~= '' and outcome == 0 then circuit_report(unpack(report)) end
    for _, write in ipairs(writes) do
      if not write[3] or absence(write) == 0 then
        if lost[write[1]] then
          -- Its readers make the group where they miss it; one that is confined may not.
          redis.pcall('XGROUP', 'CREATE', write[1], agent_group, '0', 'MKSTREAM')
          lost[write[1]] = nil
        end
        redis.pcall('XADD', write[1], '*', unpack(write[2]))
      end
    end
    if target ~= '' then length[target] = length[target] + 1 end
    for _, ring in ipairs(rings) do
      rung[ring[1]] = rung[ring[1]] or {}
      rung[ring[1]][ring[2]] = true
    end
  end
  outcomes[i] = outcome
end

for key in pairs(marked) do redis.call('EXPIRE', key, mark_seconds) end
for key in pairs(answers) do redis.call('EXPIRE', key, permit_seconds) end
buckets_keep()
circuits_keep()
-- Never what was fenced: a destroyed group acknowledges nothing, and its entries are still to be decided.
for ingress, entries in pairs(acked) do redis.call('XDEL', ingress, unpack(entries)) end
for channel, instances in pairs(rung) do
  for instance in pairs(instances) do redis.call('PUBLISH', channel, instance) end
end
return outcomes
"""

# The shebang makes Redis refuse the whole script when memory is short, not its middle.
COMMIT = Script(
    "commit",
    f"{_OPENING}local agent_group = '{AGENT_GROUP}'\n{rates.LUA}{circuit.LUA}{chain.LUA}{_CHANGES}",
)
