"""Acknowledge and remove handled entries, only those that are still ours.

A bare XACK by an owner whose lease lapsed would undo the work of the next one.
"""

from mas.redis import Script

SETTLE = Script(
    "settle",
    # KEYS: stream.  ARGV: group, consumer, entry id...  Returns how many were ours.
    """
    local ours = {}
    for i = 3, #ARGV do
      if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2]) == 1 then
        ours[#ours + 1] = ARGV[i]
      end
    end
    if #ours > 0 then
      redis.call('XACK', KEYS[1], ARGV[1], unpack(ours))
      redis.call('XDEL', KEYS[1], unpack(ours))
    end
    return #ours
    """,
)
