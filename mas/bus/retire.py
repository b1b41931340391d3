"""Delete a consumer, only when it holds nothing.

XGROUP DELCONSUMER drops what the consumer had pending: those entries would never be handled. So the
look and the deletion are one script.
"""

from mas.redis import Script

RETIRE = Script(
    "retire",
    # KEYS: stream.  ARGV: group, consumer.  Returns 1 when the consumer is gone, 0 while it holds entries.
    """
    if redis.call('EXISTS', KEYS[1]) == 0 then return 1 end
    local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
    if held.err then return 1 end
    if #held > 0 then return 0 end
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
    return 1
    """,
)
