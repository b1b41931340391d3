"""Read again what a consumer already owns.

XREADGROUP from `0` would do, but it counts every look as a delivery; here the count means starts of a
handler, and looking is not starting.
"""

from typing import NamedTuple

from mas.redis import Redis, Script

BACKLOG = Script(
    "backlog",
    # KEYS: stream.  ARGV: group, consumer, first id, count.  Returns {id, starts, fields or false}...
    """
    local held = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], '+', ARGV[4], ARGV[2])
    local found = {}
    for i, entry in ipairs(held) do
      local there = redis.call('XRANGE', KEYS[1], entry[1], entry[1])
      -- What was handed back is read as if for the first time, which counts.
      local starts = entry[4] > 0 and entry[4] or 1
      redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry[1], 'RETRYCOUNT', starts, 'JUSTID')
      found[i] = {entry[1], entry[4], there[1] and there[1][2] or false}
    end
    return found
    """,
)


class Held(NamedTuple):
    """An entry of the consumer's own pending list."""

    id: bytes
    starts: int
    """How often a handler was started on it, as far as Redis was told; 0 for what was handed back."""
    fields: list[bytes] | None
    """None when the entry was deleted or trimmed while it was pending."""


async def backlog(
    redis: Redis, stream: str, group: str, consumer: str, *, after: bytes = b"-", count: int = 100
) -> list[Held]:
    """Return up to `count` entries the consumer owns, oldest first, and renew their leases.

    :param after: `-`, or the last id of the page before
    """
    first = after if after == b"-" else b"(" + after
    found = await redis.run_script(BACKLOG, [stream], [group, consumer, first, count])
    return [Held(*entry) for entry in found]
