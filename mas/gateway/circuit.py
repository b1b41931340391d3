"""Stop sending to an agent that keeps failing, until it shows that it works again.

A circuit is closed while the target's handlers fare well. When enough of their outcomes are failures it
opens: messages to the target are refused, with the time to wait. After that time it is half open: a few
messages probe, and the first reports of their fate close it or open it again. A probe's delivery says that
it is one, or a receiver that was restarted, and knows of no trouble, would keep its success to itself. One
circuit a target, in Redis, on Redis' clock, for all gateways.

Failures are what receivers report of their handlers, and leases that lapsed; never a payload that does
not fit its model, or one sender could close a target to all others.
"""

LUA = """
local circuits = {}
local function circuit_of(key)
  local c = circuits[key]
  if not c then
    local kept = redis.call('HMGET', key, 'state', 'failures', 'handled', 'since', 'opened_at', 'probes')
    c = {state = kept[1] or 'closed', failures = tonumber(kept[2]) or 0, handled = tonumber(kept[3]) or 0,
         since = tonumber(kept[4]) or now, opened_at = tonumber(kept[5]) or 0,
         probes = tonumber(kept[6]) or 0}
    circuits[key] = c
  end
  return c
end

local function circuit_turn(key, c, state)
  if c.state ~= state then
    local agent = key:match('circuit:(.*)$')
    local event = {event = 'CIRCUIT', agent_id = agent, detail = state}
    redis.call('PUBLISH', system, cjson.encode(event))
  end
  c.state, c.failures, c.handled, c.since, c.probes, c.touched = state, 0, 0, now, 0, true
  if state ~= 'closed' then c.opened_at = now end
end

local function circuit_wait(key)
  local _, _, _, stays_open, probes = unpack(breaker)
  local c = circuit_of(key)
  if c.state == 'closed' then return 0 end
  local waits = c.opened_at + stays_open - now
  -- Open long enough; or half open so long that its probes were lost: either way, probe.
  if waits <= 0 then
    circuit_turn(key, c, 'half-open')
    return 0
  end
  if c.state == 'half-open' and c.probes < probes then return 0 end
  return waits
end

local function circuit_pass(key)
  local c = circuit_of(key)
  if c.state ~= 'half-open' then return false end
  c.probes, c.touched = c.probes + 1, true
  return true
end

local function circuit_report(key, failed, handled)
  local least, share, window, _, probes = unpack(breaker)
  local c = circuit_of(key)
  if c.state == 'open' then return end
  if now - c.since > window then c.failures, c.handled, c.since = 0, 0, now end
  c.failures, c.handled, c.touched = c.failures + failed, c.handled + handled, true
  if c.state == 'half-open' then
    if failed > 0 then circuit_turn(key, c, 'open')
    elseif c.handled >= math.min(probes, math.max(c.probes, 1)) then circuit_turn(key, c, 'closed') end
  elseif c.failures >= least and c.failures >= share * (c.failures + c.handled) then
    circuit_turn(key, c, 'open')
  end
end

local function circuits_keep()
  local _, _, window, stays_open = unpack(breaker)
  for key, c in pairs(circuits) do
    if c.touched then
      redis.call('HSET', key, 'state', c.state, 'failures', c.failures, 'handled', c.handled,
        'since', string.format('%.6f', c.since), 'opened_at', string.format('%.6f', c.opened_at),
        'probes', c.probes)
      redis.call('EXPIRE', key, math.ceil(math.max(window, stays_open)) * 10)
    end
  end
end
"""
