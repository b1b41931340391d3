"""Stop a chain of messages that cause one another without end.

A message sent while another is being handled names that one's root and is one step deeper. The gateway
bounds the depth, and counts what every root has caused: two agents that answer each other for ever spend
the budget and are told.
"""

LUA = """
local CHAIN_SECONDS = 3600
local spent = {}
local function chain_is_spent(key)
  spent[key] = spent[key] or tonumber(redis.call('GET', key) or 0)
  return spent[key] >= chain_messages
end

local function chain_pay(key)
  spent[key] = redis.call('INCR', key)
  if spent[key] == 1 then redis.call('EXPIRE', key, CHAIN_SECONDS) end
end
"""
