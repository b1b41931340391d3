"""Take the entries of gateways that fell silent."""

from collections.abc import Callable, Iterable

from mas.bus import RETIRE, TAKE_OVER, TRIMMED
from mas.gateway.lease import LEASE
from mas.keys import GATEWAY_GROUP, Keys
from mas.redis import Redis

INTERVAL = LEASE / 3
"""Seconds between two looks."""
_AT_ONCE = 1000


async def take_over(
    redis: Redis, keys: Keys, me: str, streams: Iterable[str], alarm: Callable[[str, str], None]
) -> int:
    """Move what dead gateways hold into this one's backlog; forget those that hold nothing.

    :param alarm: told of what was trimmed while a dead gateway held it: the stream, and how much
    :returns: how many entries were moved
    """
    moved = 0
    others = [name.decode() for name in await redis.call("SMEMBERS", keys.gateways)]
    for other in others:
        lease = keys.gateway_lease(other)
        if other == me or await redis.call("EXISTS", lease):
            continue
        gone = True
        for stream in streams:
            took, lost = await redis.run_script(
                TAKE_OVER, [stream, lease], [GATEWAY_GROUP, other, me, _AT_ONCE]
            )
            moved += took
            if lost:
                alarm(stream, f"{lost} {TRIMMED}")
            gone &= bool(await redis.run_script(RETIRE, [stream], [GATEWAY_GROUP, other]))
        if gone:
            await redis.call("SREM", keys.gateways, other)
    return moved
