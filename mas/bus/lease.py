"""Hold an entry longer, count the start of its handler, or take that back: only while it is still ours.

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

NOT_STARTED = Script(
    "not started",
    # KEYS: stream.  ARGV: group, consumer, entry id...  A read counts as a start, which these never had.
    """
    for i = 3, #ARGV do
      if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2]) == 1 then
        redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'RETRYCOUNT', 0, 'JUSTID')
      end
    end
    """,
)
