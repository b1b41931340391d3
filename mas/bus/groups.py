"""A consumer group exists, and begins at the beginning."""

from redis.exceptions import ResponseError

from mas.redis import Redis, Script

OWN_GROUP = Script(
    "make an own group",
    # KEYS: a stream, the key whose presence says that whoever it belongs to is registered or enrolled.
    # ARGV: group.  Returns 0 if neither is there: what belongs to nobody, nobody would delete.
    """
    if redis.call('EXISTS', KEYS[1], KEYS[2]) == 0 then return 0 end
    local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
    if type(made) == 'table' and made.err and not made.err:find('BUSYGROUP') then return made end
    return 1
    """,
)


async def ensure_group(redis: Redis, stream: str, group: str) -> None:
    """Create the group, and the stream with it, unless both exist.

    The group starts at `0`: what was put there before its first reader came is mail, not history.
    """
    try:
        await redis.call("XGROUP", "CREATE", stream, group, "0", "MKSTREAM")
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
