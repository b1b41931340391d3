"""Which ingress streams a gateway reads: the one that all share, and one for each agent with its own."""

from collections.abc import Collection, Iterable

from mas.bus import OWN_GROUP, ensure_group
from mas.ids import AgentId
from mas.keys import GATEWAY_GROUP, Keys
from mas.redis import Redis


async def open_streams(
    redis: Redis, keys: Keys, agents: Iterable[AgentId], read: Collection[str]
) -> tuple[str, ...]:
    """Return the streams, each with the gateways' group.

    :param agents: those with a stream of their own
    :param read: the streams whose group is known to be there
    """
    if keys.ingress not in read:
        await ensure_group(redis, keys.ingress, GATEWAY_GROUP)
    streams = [keys.ingress]
    for agent in agents:
        own = keys.ingress_of(agent)
        # Of an agent that was forgotten just now nothing makes the stream again.
        if own in read or await redis.run_script(OWN_GROUP, [own, keys.agent(agent)], [GATEWAY_GROUP]):
            streams.append(own)
    return tuple(streams)
