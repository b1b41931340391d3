"""A consumer group exists, and begins at the beginning."""

from redis.exceptions import ResponseError

from mas.redis import Redis


async def ensure_group(redis: Redis, stream: str, group: str) -> None:
    """Create the group, and the stream with it, unless both exist.

    The group starts at `0`: what was put there before its first reader came is mail, not history.
    """
    try:
        await redis.call("XGROUP", "CREATE", stream, group, "0", "MKSTREAM")
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
