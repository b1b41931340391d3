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
    # Returns the trail's last id, how many tokens are gone, and the instances shut out; nothing if the field
    # had changed.
    """#!lua
    if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return {} end
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
    local last = redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)
    local gone = {last[1] and last[1][1] or '0-0', 0}
    if ARGV[4] == '1' then
      local instances = ARGV[6] ~= '' and {ARGV[6]} or redis.call('SMEMBERS', KEYS[3])
      for _, instance in ipairs(instances) do
        for i = 8, #ARGV do
          local had = redis.call('DEL', (ARGV[i]:gsub('@I', function() return instance end)))
          if i == 8 then gone[2] = gone[2] + had end
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
    tokens: int
    """How many that were good are gone."""
    instances: tuple[InstanceId, ...]
    """Whom it shut out, as far as they were there."""
    before: Tombstone | None = None
    """The last word until then; None if there was none that can be trusted."""


async def revoke(
    redis: Redis,
    keys: Keys,
    keyring: Keyring,
    agent: AgentId,
    instance: InstanceId | None,
    *,
    reason: str = "",
    actor: str = "",
) -> Revocation:
    """Revoke all of an agent, or one instance of it; binds the very next commit.

    :param instance: None: all of them, and none may join until it is lifted
    :param reason: kept with the tombstone, and told to whoever tries to enrol
    :param actor: whom the audit trail is to name
    :raises RedisUnavailable: if Redis does not answer; it may have happened, and may be repeated
    """
    done = await _say(redis, keys, keyring, agent, instance, revoked=True, reason=reason)
    detail = f"after {done.position} of the trail; tokens gone: {done.tokens}{reason and f'; {reason}'}"
    await _record(redis, keys, keyring, EventKind.REVOKED, done, actor, detail)
    return done


async def lift(
    redis: Redis,
    keys: Keys,
    keyring: Keyring,
    agent: AgentId,
    instance: InstanceId | None,
    *,
    actor: str = "",
) -> Revocation:
    """Let what was revoked enrol again.

    :param actor: whom the audit trail is to name
    :raises RedisUnavailable: if Redis does not answer; it may have happened, and may be repeated
    """
    done = await _say(redis, keys, keyring, agent, instance, revoked=False)
    await _record(redis, keys, keyring, EventKind.LIFTED, done, actor)
    return done


async def _record(
    redis: Redis,
    keys: Keys,
    keyring: Keyring,
    kind: EventKind,
    done: Revocation,
    actor: str,
    detail: str = "",
) -> None:
    events = Events(redis, keys, keyring, f"operator at {socket.gethostname()}", brief=True)
    await events.write(kind, done.tombstone.field, actor=actor, detail=detail)


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
    position, tokens, *gone = answer
    instances = tuple(InstanceId(name.decode("utf-8", "replace")) for name in gone)
    return Revocation(tombstone, position.decode(), tokens, instances)


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
        at, before = int(seconds) + int(micros) / 1e6, _before(keyring, keys, field, seen)
        if before is not None:
            # Redis' clock may have been set back since.
            at = max(at, before.at + 1e-3)
            if revoked and before.revoked:
                # Said again, it holds for the reason that was given.
                reason = reason or before.reason
        done = await bury(redis, keys, keyring, Tombstone(agent, at, instance, revoked, reason), seen=seen)
        if done is not None:
            return done._replace(before=before)


def _before(keyring: Keyring, keys: Keys, field: str, seen: bytes) -> Tombstone | None:
    try:
        return read_tombstone(keyring.record, keys, field, seen)
    except IntegrityError:
        return None
