"""Revoke an agent or one of its instances, and lift that again.

A revoke deletes the tokens and leaves a tombstone, in one step: the next commit finds no token, and
enrolment finds the tombstone. A lift only lets enrolment happen again; tokens do not come back.
"""

import socket
from typing import NamedTuple

from mas.audit import EventKind, Events
from mas.directory import Tombstone, read_tombstone, tombstone_field, write_tombstone
from mas.errors import IntegrityError
from mas.ids import AgentId, InstanceId
from mas.keys import Keys
from mas.redis import Redis, Script
from mas.registry.events import Event, Kind, encode_event
from mas.trust import Keyring

BURY = Script(
    "put a tombstone",
    # KEYS: tombstones, agent, instances, the audit trail, system channel.
    # ARGV: field, what the caller saw in it, tombstone, 1 if it revokes, agent, instance or nothing, event,
    #       then templates of what an instance has: token hashes and heartbeat, with @I for the instance.
    # Returns the trail's last id and the instances whose tokens are gone; nothing if the field had changed.
    """#!lua
    if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return {} end
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
    local last = redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)
    local gone = {last[1] and last[1][1] or '0-0'}
    if ARGV[4] == '1' then
      local instances = ARGV[6] ~= '' and {ARGV[6]} or redis.call('SMEMBERS', KEYS[3])
      for _, instance in ipairs(instances) do
        for i = 8, #ARGV do
          redis.call('DEL', (ARGV[i]:gsub('@I', function() return instance end)))
        end
        gone[#gone + 1] = instance
      end
      if ARGV[6] == '' and redis.call('EXISTS', KEYS[2]) == 1 then
        redis.call('HSET', KEYS[2], 'status', 'inactive')
      end
    end
    redis.call('PUBLISH', KEYS[5], ARGV[7])
    return gone
    """,
)
_ANY = InstanceId("@I")


class Revocation(NamedTuple):
    """What a revoke did."""

    tombstone: Tombstone
    position: str
    """The last id in the audit trail at that moment: no later record lets anything of it through."""
    instances: tuple[InstanceId, ...]
    """Whose tokens are gone."""


async def revoke(
    redis: Redis,
    keys: Keys,
    keyring: Keyring,
    agent: AgentId,
    instance: InstanceId | None,
    *,
    reason: str = "",
) -> Revocation:
    """Revoke all of an agent, or one instance of it; binds the very next commit.

    :param instance: None: all of them, and none may join until it is lifted
    :raises RedisUnavailable: if Redis does not answer; it may have happened, and may be repeated
    """
    done = await _say(redis, keys, keyring, agent, instance, revoked=True, reason=reason)
    events = Events(redis, keys, keyring, socket.gethostname())
    await events.write(EventKind.REVOKED, f"{agent}:{instance or '*'}", detail=reason)
    return done


async def lift(
    redis: Redis, keys: Keys, keyring: Keyring, agent: AgentId, instance: InstanceId | None
) -> Tombstone:
    """Let what was revoked enrol again.

    :raises RedisUnavailable: if Redis does not answer; it may have happened, and may be repeated
    """
    done = await _say(redis, keys, keyring, agent, instance, revoked=False)
    events = Events(redis, keys, keyring, socket.gethostname())
    await events.write(EventKind.LIFTED, f"{agent}:{instance or '*'}")
    return done.tombstone


async def bury(
    redis: Redis, keys: Keys, keyring: Keyring, tombstone: Tombstone, *, seen: bytes
) -> Revocation | None:
    """Put just this tombstone where another stands; None if that one has changed meanwhile.

    :param seen: what stood in its field; empty for nothing
    """
    agent, instance = tombstone.agent_id, tombstone.instance_id
    kind = Kind.REVOKED if tombstone.revoked else Kind.LIFTED
    answer = await redis.run_script(
        BURY,
        [keys.tombstones, keys.agent(agent), keys.instances(agent), keys.audit_messages, keys.system],
        [
            tombstone.field,
            seen,
            write_tombstone(keyring.record, keys, tombstone),
            int(tombstone.revoked),
            agent,
            instance or "",
            encode_event(Event(kind, agent, instance, tombstone.reason)),
            keys.token_hash(agent, _ANY),
            keys.previous_token_hash(agent, _ANY),
            keys.heartbeat(agent, _ANY),
        ],
    )
    if not answer:
        return None
    position, *gone = (text.decode("utf-8", "replace") for text in answer)
    return Revocation(tombstone, position, tuple(map(InstanceId, gone)))


async def _say(
    redis: Redis,
    keys: Keys,
    keyring: Keyring,
    agent: AgentId,
    instance: InstanceId | None,
    *,
    revoked: bool,
    reason: str = "",
) -> Revocation:
    field = tombstone_field(agent, instance)
    while True:
        seen = await redis.call("HGET", keys.tombstones, field) or b""
        seconds, micros = await redis.call("TIME")
        at = max(int(seconds) + int(micros) / 1e6, _after(keyring, keys, field, seen))
        done = await bury(redis, keys, keyring, Tombstone(agent, at, instance, revoked, reason), seen=seen)
        if done is not None:
            return done


def _after(keyring: Keyring, keys: Keys, field: str, seen: bytes) -> float:
    """Return a time later than the last word's: Redis' clock may have been set back since."""
    try:
        return read_tombstone(keyring.record, keys, field, seen).at + 1e-3
    except IntegrityError:
        return 0.0
