"""Ask Redis for all that the pages say of it: one script, one answer, whatever the number of agents."""

from collections.abc import Iterable
from typing import Any, Final

from mas.audit import Trail
from mas.audit.seal import sealed_of
from mas.ids import AgentId, InstanceId, is_valid
from mas.keys import Keys
from mas.ops.vitals import Enrolled, Stored
from mas.redis import Redis, Script

MOST_AGENTS: Final = 1_000
"""Registered agents that one look takes in; those of the configuration come first."""

LOOK = Script(
    "look at the system",
    # KEYS: agents, outsiders, gateways, ingress, dead letters, seals, sealed, policy, confined, then the
    # trails.
    # ARGV: how many agents, what keys are made of (see `_parts`), how many agents come first, their names,
    # the trails' names. Joined rather than filled in, which takes half of the time.
    """#!lua flags=no-writes
    local most, stream, of_instance, circuit, instances, of_agent, beat, heartbeat, ingress_of, lease, known =
      unpack(ARGV, 1, 11)
    most, known = tonumber(most), tonumber(known)
    local function ask(...)
      -- A key that holds something else is somebody's mischief: there is nothing to say of it.
      local found = redis.pcall(...)
      if type(found) == 'table' and found.err then return nil end
      return found or nil
    end
    local function oldest(key)
      local first = ask('XRANGE', key, '-', '+', 'COUNT', 1)
      return first and first[1] and first[1][1] or ''
    end

    local names, seen, left_out = {}, {}, 0
    local function take(name)
      if seen[name] then return end
      seen[name] = true
      if #names < most then names[#names + 1] = name else left_out = left_out + 1 end
    end
    local registered = {}
    for _, name in ipairs(ask('SMEMBERS', KEYS[1]) or {}) do registered[name] = true end
    for i = 12, 11 + known do
      if registered[ARGV[i]] then take(ARGV[i]) end
    end
    for name in pairs(registered) do take(name) end

    local agents = {}
    for i, agent in ipairs(names) do
      local alive, all = 0, 0
      for _, instance in ipairs(ask('SMEMBERS', instances .. agent .. of_agent) or {}) do
        local beats = ask('EXISTS', beat .. agent .. heartbeat .. instance) or 0
        alive = alive + beats
        -- One that signed off stays on the books until its token expires, but has no stream any more.
        all = all + math.max(beats, ask('EXISTS', stream .. agent .. of_instance .. instance) or 0)
      end
      agents[i] = {agent, ask('XLEN', stream .. agent) or 0,
        ask('HGET', circuit .. agent, 'state') or '', all, alive}
    end

    local waiting, first = ask('XLEN', KEYS[4]) or 0, {oldest(KEYS[4])}
    for i, agent in ipairs(ask('SUNION', KEYS[2], KEYS[9]) or {}) do
      if i > most then break end
      local key = ingress_of .. agent
      waiting = waiting + (ask('XLEN', key) or 0)
      first[#first + 1] = oldest(key)
    end

    local gateways = 0
    for i, gateway in ipairs(ask('SMEMBERS', KEYS[3]) or {}) do
      if i > most then break end
      gateways = gateways + (ask('EXISTS', lease .. gateway) or 0)
    end

    local unsealed = {}
    for i = 10, #KEYS do
      local sealed = tonumber(ask('HGET', KEYS[7], ARGV[12 + known + i - 10]) or 0) or 0
      unsealed[i - 9] = math.max(0, (ask('XLEN', KEYS[i]) or 0) - sealed)
    end
    local last = (ask('XREVRANGE', KEYS[6], '+', '-', 'COUNT', 1) or {})[1] or false
    return {redis.call('TIME'), agents, left_out, waiting, first, gateways, unsealed, last,
      ask('XLEN', KEYS[5]) or 0, ask('GETRANGE', KEYS[8], 0, 31) or ''}
    """,
)
_A, _I = AgentId("@A"), InstanceId("@I")


def _parts(keys: Keys) -> list[str]:
    """Return what stands before and after the ids in the keys that the script makes."""
    instances, heartbeat = keys.instances(_A).split(_A), keys.heartbeat(_A, _I).removesuffix(_I).split(_A)
    ends = (keys.stream(_A), keys.circuit(_A), keys.ingress_of(_A), keys.gateway_lease(_A))
    stream, circuit, ingress, lease = (key.removesuffix(_A) for key in ends)
    of_instance = keys.instance_stream(_A, _I).removeprefix(keys.stream(_A)).removesuffix(_I)
    return [stream, of_instance, circuit, *instances, *heartbeat, ingress, lease]


async def look(redis: Redis, keys: Keys, first: Iterable[AgentId]) -> Stored:
    """Return what Redis says now.

    :param first: agents that are looked at before any others
    :raises RedisUnavailable: if it does not answer
    :raises redis.exceptions.ResponseError: if it refuses
    """
    known = list(first)[:MOST_AGENTS]
    found = await redis.run_script(
        LOOK,
        [
            keys.agents,
            keys.outsiders,
            keys.gateways,
            keys.ingress,
            keys.dead_letters,
            keys.audit_seals,
            keys.audit_sealed,
            keys.policy,
            keys.confined,
            *(trail.stream(keys) for trail in Trail),
        ],
        [
            MOST_AGENTS,
            *_parts(keys),
            len(known),
            *known,
            *Trail,
        ],
    )
    (seconds, micros), agents, left_out, waiting, heads, gateways, unsealed, last, letters, policy = found
    now = int(seconds) + int(micros) / 1e6
    ages = [now - time for head in heads if (time := _time(head)) is not None]
    return Stored(
        now,
        tuple(each for each in map(_enrolled, agents) if is_valid(each.agent)),
        left_out,
        waiting,
        max(0.0, *ages, 0.0),
        gateways,
        dict(zip(Trail, unsealed, strict=True)),
        0 if last is None else _number(last),
        None if last is None else max(0.0, now - (_time(last[0]) or now)),
        letters,
        policy,
    )


def _enrolled(found: list[Any]) -> Enrolled:
    agent, backlog, circuit, instances, alive = found
    state = circuit.decode("utf-8", "replace")
    return Enrolled(
        agent.decode("utf-8", "replace"), backlog, state if state in STATES else "", instances, alive
    )


STATES: Final = ("closed", "half-open", "open")
"""Of a circuit."""


def _time(entry: bytes) -> float | None:
    """Return when an entry was appended, in seconds since the epoch; None of what is no entry's id."""
    milliseconds = entry.partition(b"-")[0]
    return int(milliseconds) / 1000 if milliseconds.isdigit() else None


def _number(entry: list[Any]) -> int:
    """Return the number of a seal, which is shown and not relied on; 0 of what is none."""
    link = sealed_of(entry)
    return 0 if link is None else link.seal.sequence
