"""An instance joins and leaves.

Joining writes the registration, a fresh epoch and the hash of the token derived from it, makes the
streams' groups, and tells everyone: in one script, so that nobody sees half an agent. The token itself
is never written anywhere. Joining again under a token that is still good is a rotation: the old token
stays valid until all that was submitted under it is decided.
"""

import secrets
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from mas.directory import (
    AgentRecord,
    InstanceRecord,
    Tombstone,
    instance_field,
    read_tombstone,
    store,
    tombstone_field,
)
from mas.directory.records import LEFT, RECORD, STATUS, read_agent
from mas.errors import EnrolmentRefused, IntegrityError
from mas.ids import AgentId, InstanceId, agent_id, capability, instance_id
from mas.keys import AGENT_GROUP, GATEWAY_GROUP, Keys
from mas.redis import Redis, Script
from mas.registry.events import Event, Kind, encode_event
from mas.trust import Credential, Keyring
from mas.trust.keyring import token_hash

HEARTBEAT_LIFE = 15.0
"""Seconds an instance counts as alive after a heartbeat."""
GUEST = "guest-"
"""What the names of instances begin with that join without their agent being there; see `guest`."""

ENROL = Script(
    "enrol",
    # KEYS: tombstones, agents, outsiders, agent, instances, token hash, previous token hash, heartbeat,
    #       shared stream, own stream, ingress stream of its own, system channel, confined, then the sets
    #       of its capabilities, and of those it had and has no more.
    # ARGV: one packed list; see `_Joining`. The agent's registration until now, as the caller saw it.
    # Returns 0 if a tombstone or that registration is not what the caller saw.
    """#!lua
    local agent, instance, seen, seen_instance, record, field, instance_record, hash, life, previous,
      previous_life, heartbeat_life, outside, confined, group, gateway_group, offers, events,
      registers =
      unpack(cmsgpack.unpack(ARGV[1]))
    if (redis.call('HGET', KEYS[1], agent) or '') ~= seen then return 0 end
    if (redis.call('HGET', KEYS[1], agent .. ':' .. instance) or '') ~= seen_instance then return 0 end
    if (redis.call('HGET', KEYS[4], 'record') or '') ~= ARGV[2] then return 0 end
    redis.call('SADD', KEYS[2], agent)
    if registers then
      redis.call(outside and 'SADD' or 'SREM', KEYS[3], agent)
      redis.call('HSET', KEYS[4], 'record', record, 'status', 'active')
      redis.call('HDEL', KEYS[4], 'left')
    end
    if confined then redis.call('SADD', KEYS[13], agent) end
    redis.call('HSET', KEYS[4], field, instance_record)
    redis.call('SADD', KEYS[5], instance)
    redis.call('SET', KEYS[6], hash, 'PX', life)
    if previous ~= '' then redis.call('SET', KEYS[7], previous, 'PX', previous_life)
    else redis.call('DEL', KEYS[7]) end
    if heartbeat_life > 0 then redis.call('SET', KEYS[8], '1', 'PX', heartbeat_life) end
    for i = registers and 9 or 10, (outside or confined) and 11 or 10 do
      local reader = i == 11 and gateway_group or group
      local made = redis.pcall('XGROUP', 'CREATE', KEYS[i], reader, '0', 'MKSTREAM')
      if type(made) == 'table' and made.err and not made.err:find('BUSYGROUP') then return made end
    end
    -- A consumer that nobody is and that holds nothing: one that died, and what it held was taken over since.
    for _, consumer in ipairs(registers and redis.call('XINFO', 'CONSUMERS', KEYS[9], group) or {}) do
      local name, pending = consumer[2], consumer[4]
      if pending == 0 and redis.call('SISMEMBER', KEYS[5], name) == 0 then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[9], group, name)
      end
    end
    for i = 14, #KEYS do redis.call(i <= 13 + offers and 'SADD' or 'SREM', KEYS[i], agent) end
    for _, event in ipairs(events) do redis.call('PUBLISH', KEYS[12], event) end
    return 1
    """,
)

LEAVE = Script(
    "leave",
    # KEYS: agent, instances, token hash, heartbeat, own stream, shared stream, system channel, outsiders,
    #       confined, agents.
    # ARGV: instance, instance field, leave event, group, 1 to leave only when it is dead, how long the token
    #       is still needed in milliseconds, agent, 1 if its agent was there with it.
    # Returns 0 if it is alive after all: it beats, or if it runs elsewhere, its token is good.
    """#!lua
    if ARGV[5] == '1' then
      local outside = redis.call('SISMEMBER', KEYS[8], ARGV[7]) == 1
      if redis.call('EXISTS', KEYS[outside and 3 or 4]) == 1 then return 0 end
    end
    redis.call('DEL', KEYS[4], KEYS[5])
    if ARGV[8] == '1' and redis.call('HEXISTS', KEYS[1], 'record') == 1 then
      redis.call('HSET', KEYS[1], 'left', redis.call('TIME')[1])
    end
    redis.call('PEXPIRE', KEYS[3], ARGV[6], 'LT')
    if redis.call('EXISTS', KEYS[3]) == 0 then
      redis.call('SREM', KEYS[2], ARGV[1])
      redis.call('HDEL', KEYS[1], ARGV[2])
      if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('SREM', KEYS[9], ARGV[7]) end
      -- One that only guests spoke for is off the books with the last of them.
      if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SREM', KEYS[10], ARGV[7]) end
    end
    local held = redis.pcall('XPENDING', KEYS[6], ARGV[4], '-', '+', 1, ARGV[1])
    if not held.err and #held == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[6], ARGV[4], ARGV[1]) end
    redis.call('PUBLISH', KEYS[7], ARGV[3])
    return 1
    """,
)
assert (RECORD, STATUS, LEFT) == ("record", "status", "left")  # noqa: S101 - the scripts spell them out


class _Joining(msgspec.Struct, array_like=True, frozen=True):
    """What the script is given: texts, and lives in milliseconds."""

    agent: str
    instance: str
    seen: str
    seen_instance: str
    record: str
    field: str
    instance_record: str
    token_hash: str
    life: int
    previous_hash: str
    previous_life: int
    heartbeat_life: int
    outside: bool
    confined: bool
    group: str
    gateway_group: str
    offers: int
    """How many capabilities it has."""
    events: tuple[str, ...]
    registers: bool


class Enrolled(NamedTuple):
    """An instance that joined."""

    credential: Credential
    record: InstanceRecord


class Lives(NamedTuple):
    """How long tokens are good; all in seconds.

    :param token: a token's, from its enrolment
    :param in_flight: how long a submission may wait for its decision: what a token lives on after it was
        rotated, or after its instance left
    """

    token: float
    in_flight: float


Refuses = Callable[[AgentId, InstanceId], Tombstone | None]


def nobody(_: AgentId, __: InstanceId) -> Tombstone | None:
    """Refuse nobody."""
    return None


async def enrol(
    redis: Redis,
    keys: Keys,
    keyring: Keyring,
    record: AgentRecord,
    instance: InstanceId,
    *,
    now: float,
    lives: Lives,
    previous: str = "",
    refuses: Refuses = nobody,
    confined: bool = False,
    registers: bool = True,
) -> Enrolled:
    """Let an instance join and return what it proves itself with.

    :param now: seconds since the epoch
    :param previous: the epoch that it submitted under until now, for a rotation
    :param refuses: what is known of revocations beside Redis
    :param confined: whether it runs here with a Redis user of its own, for the caller to make
    :param registers: whether it brings its agent's registration and mail along; a guest does not, so that
        both stay as they are, or absent
    :raises InvalidId: if agent, instance or a capability could not be part of a key
    :raises EnrolmentRefused: if it was revoked, or the agent's id belongs to one that runs elsewhere
    :raises RedisUnavailable: if Redis does not answer; joining again is safe
    """
    agent, instance = agent_id(record.agent_id), instance_id(instance)
    if (tombstone := refuses(agent, instance)) is not None:
        raise EnrolmentRefused(agent, str(tombstone))
    record = msgspec.structs.replace(record, capabilities=tuple(map(capability, record.capabilities)))
    enrolled = InstanceRecord(
        instance,
        secrets.token_hex(16),
        now,
        now + lives.token,
        previous,
        now + lives.in_flight if previous else 0.0,
        confined=confined,
    )
    credential = keyring.credential(agent, instance, enrolled.epoch)
    while True:
        stored, former = await _former(redis, keys, keyring, record, registers=registers)
        # Once an agent has a lane, it is read for good: what lies in it is accepted, whoever comes after.
        lane = confined or former.lane or former.outside
        record = msgspec.structs.replace(record, lane=lane)
        gone = sorted({*former.capabilities} - {*record.capabilities}) if registers else ()
        places = [*_places(keys, agent, instance, record), *map(keys.capability, gone)]
        seen = await _refuse_revoked(redis, keys, keyring, agent, instance)
        joining = _joining(keys, keyring, record, enrolled, credential, lives, seen, registers=registers)
        if await redis.run_script(ENROL, places, [_pack(joining), stored]):
            return Enrolled(credential, enrolled)


async def leave(
    redis: Redis,
    keys: Keys,
    agent: AgentId,
    instance: InstanceId,
    *,
    in_flight: float,
    only_if_dead: bool = False,
) -> bool:
    """Take an instance off the books: its heartbeat, its own stream, and once the token expired, all.

    What it held of the shared stream stays pending, for others to reclaim.

    :param in_flight: seconds that what it submitted may still wait to be decided; so long the token lives
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
            keys.outsiders,
            keys.confined,
            keys.agents,
        ],
        [
            instance,
            instance_field(instance),
            event,
            AGENT_GROUP,
            int(only_if_dead),
            int(in_flight * 1000),
            agent,
            int(not instance.startswith(GUEST)),
        ],
    )
    return bool(left)


def _places(keys: Keys, agent: AgentId, instance: InstanceId, record: AgentRecord) -> list[str]:
    return [
        keys.tombstones,
        keys.agents,
        keys.outsiders,
        keys.agent(agent),
        keys.instances(agent),
        keys.token_hash(agent, instance),
        keys.previous_token_hash(agent, instance),
        keys.heartbeat(agent, instance),
        keys.stream(agent),
        keys.instance_stream(agent, instance),
        keys.ingress_of(agent),
        keys.system,
        keys.confined,
        *map(keys.capability, record.capabilities),
    ]


def _joining(
    keys: Keys,
    keyring: Keyring,
    record: AgentRecord,
    enrolled: InstanceRecord,
    credential: Credential,
    lives: Lives,
    seen: tuple[str, str],
    *,
    registers: bool,
) -> _Joining:
    agent, instance = record.agent_id, enrolled.instance_id
    place, field = keys.agent(agent), instance_field(instance)
    previous = enrolled.previous
    if previous:
        events = [Event(Kind.ROTATED, agent, instance)]
    else:
        joined = Event(Kind.INSTANCE_JOIN, agent, instance)
        events = [Event(Kind.REGISTER, agent), joined] if registers else [joined]
    return _Joining(
        agent,
        instance,
        *seen,
        store(keyring.record, place, RECORD, record).decode(),
        field,
        store(keyring.record, place, field, enrolled).decode(),
        token_hash(credential.token),
        int(lives.token * 1000),
        token_hash(keyring.token(agent, instance, previous)) if previous else "",
        int(lives.in_flight * 1000),
        # One that runs elsewhere tells by its own heartbeat that it lives.
        0 if record.outside else int(HEARTBEAT_LIFE * 1000),
        record.outside,
        enrolled.confined,
        AGENT_GROUP,
        GATEWAY_GROUP,
        len(record.capabilities),
        tuple(encode_event(event).decode() for event in events),
        registers,
    )


async def _refuse_revoked(
    redis: Redis, keys: Keys, keyring: Keyring, agent: AgentId, instance: InstanceId
) -> tuple[str, str]:
    """Return the tombstones' fields as they stand, lifted or absent; the script holds enrolment to them."""
    fields = tombstone_field(agent, None), tombstone_field(agent, instance)
    found = await redis.call("HMGET", keys.tombstones, *fields)
    for field, stored in zip(fields, found, strict=True):
        if stored is None:
            continue
        try:
            tombstone = read_tombstone(keyring.record, keys, field, stored)
        except IntegrityError as error:
            raise EnrolmentRefused(agent, f"{error}; revoke or lift it anew") from error
        if tombstone.revoked:
            raise EnrolmentRefused(agent, str(tombstone))
    of_agent, of_instance = ((stored or b"").decode() for stored in found)
    return of_agent, of_instance


async def _former(
    redis: Redis, keys: Keys, keyring: Keyring, record: AgentRecord, *, registers: bool
) -> tuple[bytes, AgentRecord]:
    """Return the registration whose place this one takes, as it is stored and as it reads; empty if none.

    :raises EnrolmentRefused: if the agent runs elsewhere and this one here, or the other way round
    """
    agent = record.agent_id
    stored = await redis.call("HGET", keys.agent(agent), RECORD)
    if stored is None:
        return b"", AgentRecord(agent)
    try:
        known = read_agent(keyring.record, keys, agent, stored)
    except IntegrityError:
        return stored, AgentRecord(agent)
    if known.outside == record.outside:
        return stored, known
    if not registers or await redis.call("EXISTS", keys.instances(agent)):
        where = (
            "elsewhere, with credentials of its own" if known.outside else "in a runner of this deployment"
        )
        raise EnrolmentRefused(agent, f"an agent of that id runs {where}")
    return stored, known


_pack = msgspec.msgpack.Encoder().encode
