"""Would Redis throw away what it accepted? Asked once, at the start of a gateway."""

import re
from collections.abc import Callable

from redis.exceptions import ResponseError

from mas.redis import Redis


async def warn_of_eviction(redis: Redis, alarm: Callable[[str, str], None]) -> None:
    """Raise an alarm where a full Redis would make room instead of refusing.

    Where this user may not ask, nothing is said.

    :raises RedisUnavailable: if Redis does not answer
    """
    try:
        told = await redis.call("INFO", "memory")
    except ResponseError:
        return
    found = re.search(rb"maxmemory_policy:([\w-]+)", told)
    if found is not None and (policy := found[1].decode()) != "noeviction":
        alarm(
            "redis",
            f"maxmemory-policy is {policy}: when full, it throws away mail and tokens it accepted",
        )
