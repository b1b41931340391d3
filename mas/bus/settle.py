"""Acknowledge and remove handled entries, only those that are still ours.

A bare XACK by an owner whose lease lapsed would undo the work of the next one.
"""

from mas.redis import Script

SETTLE = Script(
    "settle",
    # KEYS: stream.  ARGV: group, consumer, entry id...  Returns how many were ours. Where the group is gone
    # nobody owns them: they are removed, or the next group would begin with them, and the error is returned.
    """
    local held, ours = {}, {}
    -- A group is nearly always one stretch of the pending list, in order: one look instead of many.
    local stretch = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[#ARGV], 500, ARGV[2])
    if stretch.err then
      if stretch.err:find('NOGROUP') then redis.call('XDEL', KEYS[1], unpack(ARGV, 3)) end
      return stretch
    end
    for _, entry in ipairs(stretch) do
      held[entry[1]] = true
    end
    for i = 3, #ARGV do
      if held[ARGV[i]] or #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2]) == 1 then
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
