"""Have the mail of an agent that is not to come back buried: held, so that nobody begins it, then ordered.

Nothing but a gateway writes dead letters and records. So each delivery that waits is claimed, in one step
with the question whether an instance lives, and the gateways are ordered to bury what is held
(`mas.letters`). With that the agent takes no more mail. If it comes back instead, it enrols, takes mail
again, and takes over what is left, a lease later.
"""

from collections.abc import Awaitable, Callable

import anyio

from mas.errors import ForgetRefused
from mas.ids import AgentId, InstanceId
from mas.keys import AGENT_GROUP, Keys
from mas.letters import HOLDER, Unwanted, write_unwanted
from mas.redis import Redis, Script
from mas.registry.events import Event, Kind, encode_event
from mas.trust import Keyring

LIVES = """
-- Return the instance that keeps the agent from being given up, if there is one. One that runs elsewhere is
-- there for just as long as its token, any other as long as it beats.
local function named(template, instance)
  return (template:gsub('@I', function() return instance end))
end
local function who_lives(outside, instances, heartbeat, token)
  for _, instance in ipairs(instances) do
    if redis.call('EXISTS', named(outside and token or heartbeat, instance)) == 1 then return instance end
  end
end
"""
HOLD = Script(
    "hold mail",
    # KEYS: outsiders, instances, shared stream, agent, system channel.  ARGV: agent, group, the consumer that
    # is to hold it, count, templates of an instance's heartbeat and token hash with @I for the instance,
    # event.
    # Returns the entries that are held now; or 'lives' or 'enrolled', and the instance.
    f"""#!lua
    {LIVES}
    local outside = redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1
    local living = who_lives(outside, redis.call('SMEMBERS', KEYS[2]), ARGV[5], ARGV[6])
    if living then return {{outside and 'enrolled' or 'lives', living}} end
    -- No more mail, or a busy sender would keep it there for ever.
    if redis.call('HGET', KEYS[4], 'status') == 'active' then
      redis.call('HSET', KEYS[4], 'status', 'inactive')
      redis.call('PUBLISH', KEYS[5], ARGV[7])
    end
    if redis.call('EXISTS', KEYS[3]) == 0 then return {{}} end
    local made = redis.pcall('XGROUP', 'CREATE', KEYS[3], ARGV[2], '0')
    if type(made) == 'table' and made.err and not made.err:find('BUSYGROUP') then return made end
    local held = {{}}
    for _, entry in ipairs(redis.call('XPENDING', KEYS[3], ARGV[2], '-', '+', ARGV[4])) do
      if entry[2] ~= ARGV[3] then
        redis.call('XCLAIM', KEYS[3], ARGV[2], ARGV[3], 0, entry[1], 'RETRYCOUNT', entry[4], 'JUSTID')
      end
      held[#held + 1] = entry[1]
    end
    local read =
      redis.call('XREADGROUP', 'GROUP', ARGV[2], ARGV[3], 'COUNT', ARGV[4], 'STREAMS', KEYS[3], '>')
    for _, entry in ipairs(read and read[1] and read[1][2] or {{}}) do
      -- To read it is not to start it.
      redis.call('XCLAIM', KEYS[3], ARGV[2], ARGV[3], 0, entry[1], 'RETRYCOUNT', 0, 'JUSTID')
      held[#held + 1] = entry[1]
    end
    return held
    """,
)
ANY = InstanceId("@I")
WHO_LIVES = {
    "lives": "its instance {0} lives; stop it first, and one that died is found dead within seconds",
    "enrolled": "its instance {0} is enrolled to run elsewhere; revoke it first: mas agents revoke {1}",
}
_PAGE = 500
"""Deliveries that are held in one step, and again as many that others held."""
_LOOK = 0.05
_HOLD_AGAIN = 1.0
"""Seconds until more is held, if what was ordered is not buried by then."""


async def bury_mail(
    redis: Redis,
    keys: Keys,
    keyring: Keyring,
    agent: AgentId,
    *,
    actor: str,
    within: float,
    audit: Callable[[str], Awaitable[None]],
) -> None:
    """Return once a gateway has buried whatever waited for an agent: each delivery is a dead letter then.

    :param actor: whom the reason is to name
    :param audit: writes what is done to the trail of security events
    :param within: seconds to wait for the gateways; what was ordered stays ordered
    :raises ForgetRefused: if an instance lives, or mail still waits after that time
    """
    ordered = set[bytes]()
    with anyio.move_on_after(within):
        while held := await _hold(redis, keys, agent):
            if more := [entry for entry in held if entry not in ordered]:
                # First the trail: an order is obeyed whatever becomes of this command.
                await audit(f"burial of {len(more)} deliveries")
                orders = [
                    write_unwanted(keyring.record, keys, Unwanted(agent, entry.decode(), actor))
                    for entry in more
                ]
                posted = [redis.post("XADD", keys.ingress, "*", "unwanted", order) for order in orders]
                for reply in posted:
                    await reply.result()
                ordered.update(more)
            rest = max(0, await redis.call("XLEN", keys.stream(agent)) - len(held))
            with anyio.move_on_after(_HOLD_AGAIN):
                while await redis.call("XLEN", keys.stream(agent)) > rest:  # noqa: ASYNC110 - nobody tells
                    await anyio.sleep(_LOOK)
        return
    left = await redis.call("XLEN", keys.stream(agent))
    raise ForgetRefused(
        agent,
        f"{left} deliveries still wait after {within:g} s; does a gateway run?",
    )


async def _hold(redis: Redis, keys: Keys, agent: AgentId) -> list[bytes]:
    found: list[bytes] = await redis.run_script(
        HOLD,
        [keys.outsiders, keys.instances(agent), keys.stream(agent), keys.agent(agent), keys.system],
        [
            agent,
            AGENT_GROUP,
            HOLDER,
            _PAGE,
            keys.heartbeat(agent, ANY),
            keys.token_hash(agent, ANY),
            encode_event(Event(Kind.INACTIVE, agent)),
        ],
    )
    if found and (why := WHO_LIVES.get(found[0].decode())) is not None:
        raise ForgetRefused(agent, why.format(found[1].decode("utf-8", "replace"), agent))
    return found
