"""An instance joins and leaves.

Joining writes the registration, a fresh epoch and the hash of the token derived from it, makes the
streams' groups, and tells everyone: in one script, so that nobody sees half an agent. The token itself
is never written anywhere.
"""

import secrets

from mas.directory import AgentRecord, InstanceRecord, instance_field, store
from mas.directory.records import RECORD, STATUS
from mas.ids import AgentId, InstanceId, agent_id, instance_id
from mas.keys import AGENT_GROUP, Keys
from mas.redis import Redis, Script
from mas.registry.events import Event, Kind, encode_event
from mas.trust import Credential, Keyring
from mas.trust.keyring import token_hash

HEARTBEAT_LIFE = 15.0
"""Seconds an instance counts as alive after a heartbeat."""

ENROL = Script(
    "enrol",
    # KEYS: agents, agent, instances, token hash, heartbeat, shared stream, own stream, system channel, then
    #       the capabilities' sets.
    # ARGV: agent, instance, record, instance field, instance record, token hash, token life and heartbeat
    #       life in milliseconds, group, events...
    """#!lua
    local known = redis.call('EXISTS', KEYS[2]) == 1
    redis.call('SADD', KEYS[1], ARGV[1])
    redis.call('HSET', KEYS[2], 'record', ARGV[3], 'status', 'active', ARGV[4], ARGV[5])
    redis.call('SADD', KEYS[3], ARGV[2])
    redis.call('SET', KEYS[4], ARGV[6], 'PX', ARGV[7])
    redis.call('SET', KEYS[5], '1', 'PX', ARGV[8])
    for i = 6, 7 do
      local made = redis.pcall('XGROUP', 'CREATE', KEYS[i], ARGV[9], '0', 'MKSTREAM')
      if made.err and not made.err:find('BUSYGROUP') then return made end
    end
    for i = 9, #KEYS do redis.call('SADD', KEYS[i], ARGV[1]) end
    if not known then redis.call('PUBLISH', KEYS[8], ARGV[10]) end
    redis.call('PUBLISH', KEYS[8], ARGV[11])
    return known and 1 or 0
    """,
)

LEAVE = Script(
    "leave",
    # KEYS: agent, instances, token hash, heartbeat, own stream, shared stream, system channel.
    # ARGV: instance, instance field, leave event, group, 1 to leave only when the heartbeat is gone.
    # Returns 0 if it is alive after all.
    """#!lua
    if ARGV[5] == '1' and redis.call('EXISTS', KEYS[4]) == 1 then return 0 end
    redis.call('DEL', KEYS[4], KEYS[5])
    if redis.call('EXISTS', KEYS[3]) == 0 then
      redis.call('SREM', KEYS[2], ARGV[1])
      redis.call('HDEL', KEYS[1], ARGV[2])
    end
    local held = redis.pcall('XPENDING', KEYS[6], ARGV[4], '-', '+', 1, ARGV[1])
    if not held.err and #held == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[6], ARGV[4], ARGV[1]) end
    redis.call('PUBLISH', KEYS[7], ARGV[3])
    return 1
    """,
)
assert (RECORD, STATUS) == ("record", "status")  # noqa: S101 - the scripts spell them out


async def enrol(
    redis: Redis,
    keys: Keys,
    keyring: Keyring,
    record: AgentRecord,
    instance: InstanceId,
    *,
    now: float,
    token_life: float,
) -> Credential:
    """Let an instance join and return what it proves itself with.

    :param now: seconds since the epoch
    :param token_life: seconds that the token stays valid without a heartbeat
    :raises InvalidId: if agent or instance could not be part of a key
    :raises RedisUnavailable: if Redis does not answer; joining again is safe
    """
    agent, instance = agent_id(record.agent_id), instance_id(instance)
    enrolled = InstanceRecord(instance, secrets.token_hex(16), now)
    credential = keyring.credential(agent, instance, enrolled.epoch)
    place, field = keys.agent(agent), instance_field(instance)
    await redis.run_script(
        ENROL,
        [
            keys.agents,
            place,
            keys.instances(agent),
            keys.token_hash(agent, instance),
            keys.heartbeat(agent, instance),
            keys.stream(agent),
            keys.instance_stream(agent, instance),
            keys.system,
            *map(keys.capability, record.capabilities),
        ],
        [
            agent,
            instance,
            store(keyring.record, place, RECORD, record),
            field,
            store(keyring.record, place, field, enrolled),
            token_hash(credential.token),
            int(token_life * 1000),
            int(HEARTBEAT_LIFE * 1000),
            AGENT_GROUP,
            encode_event(Event(Kind.REGISTER, agent)),
            encode_event(Event(Kind.INSTANCE_JOIN, agent, instance)),
        ],
    )
    return credential


async def leave(
    redis: Redis, keys: Keys, agent: AgentId, instance: InstanceId, *, only_if_dead: bool = False
) -> bool:
    """Take an instance off the books: its heartbeat, its own stream, and once the token expired, all.

    What it submitted before must still be decided, so its token stays valid for its life; and what it
    held of the shared stream stays pending, for others to reclaim.

    :returns: False if it was to leave only if dead, and is alive
    """
    event = encode_event(Event(Kind.INSTANCE_LEAVE, agent, instance))
    left = await redis.run_script(
        LEAVE,
        [
            keys.agent(agent),
            keys.instances(agent),
            keys.token_hash(agent, instance),
            keys.heartbeat(agent, instance),
            keys.instance_stream(agent, instance),
            keys.stream(agent),
            keys.system,
        ],
        [instance, instance_field(instance), event, AGENT_GROUP, int(only_if_dead)],
    )
    return bool(left)
