"""A key with a short life that says who may do something: taken when free, renewed by its holder only.

Where some are better suited than others, one of a lower rank takes it from one of a higher. So what a lease
protects must bear that its holder learns of its loss late.
"""

import secrets

from mas.redis.client import Redis
from mas.redis.script import Script

KEEP = Script(
    "keep a lease",
    # KEYS: lease.  ARGV: holder, milliseconds, rank.  Takes a lease that is free or of a higher rank, renews
    # one's own; 0 when another has it. Also where memory is short: whoever may make room needs it.
    """#!lua flags=allow-oom
    local holder = redis.call('GET', KEYS[1])
    if holder and holder ~= ARGV[1] and tonumber(string.match(holder, '^%d+ ') or 0) <= tonumber(ARGV[3]) then
      return 0
    end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return 1
    """,
)

LET_GO = Script(
    "let a lease go",
    # KEYS: lease.  ARGV: holder.
    """
    if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
    return 1
    """,
)


class Lease:
    """One contender for a lease.

    :param life: seconds the lease stands after its holder's last sign of life
    :param rank: 0 for who is suited best
    """

    def __init__(self, redis: Redis, key: str, *, life: float, rank: int = 0) -> None:
        self._redis, self._key, self._life, self._rank = redis, key, int(life * 1000), rank
        self._holder = f"{rank} {secrets.token_hex(16)}"

    async def keep(self) -> bool:
        """Take the lease or renew it; say whether it is ours.

        :raises RedisUnavailable: if Redis does not answer; then nobody knows
        """
        return bool(await self._redis.run_script(KEEP, [self._key], [self._holder, self._life, self._rank]))

    async def let_go(self) -> None:
        """Leave the lease to others, if it is ours.

        :raises RedisUnavailable: if Redis does not answer; it expires by itself
        """
        await self._redis.run_script(LET_GO, [self._key], [self._holder])
