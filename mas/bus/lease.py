"""Hold an entry longer, count the start of its handler, or hand it back: only while it is still ours.

A bare XCLAIM would take an entry back from whoever reclaimed it meanwhile, so each script first asks
the pending list who owns it.
"""

from mas.redis import Script

RENEW = Script(
    "renew",
    # KEYS: stream.  ARGV: group, consumer, entry id...  Returns the ids that are not ours any more.
    """
    local lost = {}
    for i = 3, #ARGV do
      if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2]) == 1 then
        redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
      else
        lost[#lost + 1] = ARGV[i]
      end
    end
    return lost
    """,
)

ATTEMPT = Script(
    "attempt",
    # KEYS: stream.  ARGV: group, consumer, entry id.  Returns how many starts this one makes, 0 if not ours.
    """
    local held = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
    if #held == 0 then return 0 end
    local starts = held[1][4] + 1
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'RETRYCOUNT', starts, 'JUSTID')
    return starts
    """,
)

HANDED_BACK = b"*"
"""What is rung when mail was handed back; no instance is called so."""

HAND_BACK = Script(
    "hand back",
    # KEYS: stream.  ARGV: group, consumer, a lease in milliseconds, 1 if no handler was ever started (a read
    # counts as a start, which these never had), channel and word to ring, entry id...
    # What is still ours looks as if its lease had lapsed, so that anybody may take it at once.
    """
    local count = ARGV[4] == '1' and {'RETRYCOUNT', 0} or {}
    local handed = 0
    for i = 7, #ARGV do
      if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2]) == 1 then
        redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID', 'IDLE', ARGV[3], unpack(count))
        handed = handed + 1
      end
    end
    if handed > 0 then redis.call('PUBLISH', ARGV[5], ARGV[6]) end
    return handed
    """,
)
