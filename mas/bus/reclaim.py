"""Take over what the dead left: by idle time, or at once from a consumer known to be dead."""

from collections.abc import Callable
from typing import NamedTuple

from mas.log import logger
from mas.redis import Redis, Script

log = logger(__name__)

TAKE_OVER = Script(
    "take over",
    # KEYS: stream, the lease of the consumer to take from.  ARGV: group, from, to, count.
    # Returns how many entries changed hands, and how many could not, for they were trimmed; none while that
    # consumer's lease stands.
    """
    if redis.call('EXISTS', KEYS[2]) == 1 then return {0, 0} end
    local held = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])
    local moved = 0
    for _, entry in ipairs(held) do
      -- An entry that is not in its stream any more leaves the pending list with this.
      moved = moved + #redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, entry[1], 'JUSTID')
    end
    return {moved, #held - moved}
    """,
)
TRIMMED = "entries were trimmed or deleted while they were pending"


class Reclaimed(NamedTuple):
    """What was taken over."""

    taken: int
    lapsed: int
    """How many of them somebody let lapse; the others were handed back."""
    more: bool
    """Whether there may be more."""


def _log_lost(count: int) -> None:
    log.error(TRIMMED, lost=count)


async def reclaim(
    redis: Redis,
    stream: str,
    group: str,
    consumer: str,
    *,
    idle: float,
    count: int = 100,
    lost: Callable[[int], None] = _log_lost,
) -> Reclaimed:
    """Take over `count` entries or a few more that nobody has touched for `idle` seconds.

    They join the consumer's own backlog, which is where it reads them from; how often they were
    started is left as it was.

    :param lost: told how many had been trimmed or deleted while they were pending
    """
    cursor, taken = b"0-0", list[bytes]()
    while True:
        cursor, claimed, trimmed = await redis.call(
            "XAUTOCLAIM", stream, group, consumer, int(idle * 1000), cursor, "COUNT", count, "JUSTID"
        )
        taken += claimed
        if trimmed:
            lost(len(trimmed))
        if cursor == b"0-0" or len(taken) >= count:
            break
    asked = [redis.post("XPENDING", stream, group, entry, entry, 1, consumer) for entry in taken]
    starts = [found[0][3] for reply in asked if (found := await reply.result())]
    return Reclaimed(len(taken), sum(count > 0 for count in starts), cursor != b"0-0")
