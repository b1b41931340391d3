"""See every target's circuit, and close one by hand."""

import msgspec

from mas.ids import AgentId, is_valid
from mas.keys import Keys
from mas.redis import Redis


class Circuit(msgspec.Struct, frozen=True):
    """One target's circuit, as the last commit that touched it left it."""

    agent: str
    state: str
    """closed, open or half-open; an open one probes with the first message after its time-out."""
    failures: int
    """Within the window."""
    handled: int
    """Within the window."""
    opened_at: float
    """Seconds since the epoch by Redis' clock; 0 if it never was open."""


async def circuits(redis: Redis, keys: Keys) -> list[Circuit]:
    """Return the circuits of all registered agents that have one, by agent.

    :raises RedisUnavailable: if Redis does not answer
    """
    listed = sorted(name.decode("utf-8", "replace") for name in await redis.call("SMEMBERS", keys.agents))
    fields = ("state", "failures", "handled", "opened_at")
    asked = [
        (agent, redis.post("HMGET", keys.circuit(AgentId(agent)), *fields))
        for agent in listed
        if is_valid(agent)
    ]
    found = []
    for agent, reply in asked:
        state, failures, handled, opened_at = await reply.result()
        if state is not None:
            told = (int(failures or 0), int(handled or 0), float(opened_at or 0))
            found.append(Circuit(agent, state.decode(), *told))
    return found


async def reset(redis: Redis, keys: Keys, agent: AgentId) -> bool:
    """Close a target's circuit and forget its failures, and return whether it had one.

    :raises RedisUnavailable: if Redis does not answer
    """
    return bool(await redis.call("DEL", keys.circuit(agent)))
