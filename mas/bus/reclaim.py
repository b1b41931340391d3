"""Take over what the dead left: by idle time, or at once from a consumer known to be dead."""

from mas.log import logger
from mas.redis import Redis, Script

log = logger(__name__)

TAKE_OVER = Script(
    "take over",
    # KEYS: stream, the lease of the consumer to take from.  ARGV: group, from, to, count.
    # Returns how many entries changed hands; none while that consumer's lease stands.
    """
    if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
    local held = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])
    for _, entry in ipairs(held) do
      redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, entry[1], 'JUSTID')
    end
    return #held
    """,
)


async def reclaim(
    redis: Redis, stream: str, group: str, consumer: str, *, idle: float, count: int = 100
) -> int:
    """Take over up to `count` entries that nobody has touched for `idle` seconds.

    They join the consumer's own backlog, which is where it reads them from; how often they were
    started is left as it was.

    :returns: how many were taken over
    """
    cursor, taken = b"0-0", 0
    while True:
        cursor, claimed, lost = await redis.call(
            "XAUTOCLAIM", stream, group, consumer, int(idle * 1000), cursor, "COUNT", count, "JUSTID"
        )
        taken += len(claimed)
        if lost:
            log.error(
                "entries were trimmed or deleted while they were pending", stream=stream, lost=len(lost)
            )
        if cursor == b"0-0" or taken >= count:
            return taken
