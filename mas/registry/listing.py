"""Who is enrolled, who of them lives, and who was revoked: for people, in a few round trips."""

import msgspec
from redis.exceptions import ResponseError

from mas.directory import AgentRecord, read_tombstone, tombstone_field
from mas.directory.records import LEFT, RECORD, STATUS, read_agent
from mas.errors import IntegrityError
from mas.ids import AgentId, InstanceId, is_valid
from mas.keys import Keys
from mas.redis import Redis, Reply
from mas.registry.enrolment import GUEST
from mas.trust import Keyring


class ListedInstance(msgspec.Struct, frozen=True):
    """One instance."""

    instance_id: str
    alive: bool
    """Whether it gave a sign of life lately."""
    token_seconds: float | None
    """How long its token is still good; None: it has none that is."""
    revoked: str | None = None
    """Why, if it was; perhaps empty."""
    left: bool = False
    """Whether it signed off: its token lives on for what it sent."""
    guest: bool = False
    """Whether it joined for a moment, to speak for its agent, as `mas send` does."""


class ListedAgent(msgspec.Struct, frozen=True):
    """One agent."""

    agent_id: str
    status: str
    """`active`, `inactive`, or `untrusted` where its registration does not carry our MAC."""
    outside: bool = False
    """Whether it runs elsewhere."""
    capabilities: tuple[str, ...] = ()
    instances: tuple[ListedInstance, ...] = ()
    revoked: str | None = None
    away_seconds: float | None = None
    """How long no instance has been there; None: one is there, or since when is not known."""
    mail: int = 0
    """Deliveries that wait for it, or that it has not settled."""


async def list_agents(redis: Redis, keys: Keys, keyring: Keyring) -> list[ListedAgent]:
    """Return everyone, by id; those too of whom only a tombstone is left.

    :raises RedisUnavailable: if Redis does not answer
    """
    revoked = await _revoked(redis, keys, keyring)
    now, _ = await redis.call("TIME")
    names = {name.decode("utf-8", "replace") for name in await redis.call("SMEMBERS", keys.agents)}
    names |= {field.partition(":")[0] for field in revoked}
    return [
        await _agent(redis, keys, keyring, AgentId(name), revoked, int(now))
        for name in sorted(names)
        if is_valid(name)
    ]


async def _revoked(redis: Redis, keys: Keys, keyring: Keyring) -> dict[str, str]:
    flat = await redis.call("HGETALL", keys.tombstones)
    found = {}
    for name, stored in zip(flat[::2], flat[1::2], strict=True):
        field = name.decode("utf-8", "replace")
        try:
            tombstone = read_tombstone(keyring.record, keys, field, stored)
        except IntegrityError as error:
            found[field] = str(error)
            continue
        if tombstone.revoked:
            found[field] = tombstone.reason
    return found


async def _agent(
    redis: Redis, keys: Keys, keyring: Keyring, agent: AgentId, revoked: dict[str, str], now: int
) -> ListedAgent:
    waiting = redis.post("XLEN", keys.stream(agent))
    stored, status, left = await redis.call("HMGET", keys.agent(agent), RECORD, STATUS, LEFT)
    record, word = AgentRecord(agent), (status or b"gone").decode("utf-8", "replace")
    if stored is not None:
        try:
            record = read_agent(keyring.record, keys, agent, stored)
        except IntegrityError:
            word = "untrusted"
    members = {
        name.decode("utf-8", "replace") for name in await redis.call("SMEMBERS", keys.instances(agent))
    }
    # One that was revoked is off the books before long, and shut out all the same.
    members |= {instance for name, _, instance in (each.partition(":") for each in revoked) if name == agent}
    names = sorted(name for name in members if is_valid(name))
    looks = [
        (
            name,
            redis.post("EXISTS", keys.heartbeat(agent, InstanceId(name))),
            redis.post("PTTL", keys.token_hash(agent, InstanceId(name))),
            redis.post("EXISTS", keys.instance_stream(agent, InstanceId(name))),
        )
        for name in names
    ]
    instances = []
    for name, beats, life, stream in looks:
        milliseconds, alive = await life.result(), bool(await beats.result())
        instances.append(
            ListedInstance(
                name,
                alive,
                milliseconds / 1000 if milliseconds > 0 else None,
                revoked.get(tombstone_field(agent, InstanceId(name))),
                # Who leaves takes its stream along; who dies does not.
                not alive and not await stream.result(),
                name.startswith(GUEST),
            )
        )
    there = any(each.alive or (record.outside and each.token_seconds) for each in instances)
    return ListedAgent(
        agent,
        word,
        record.outside,
        record.capabilities,
        tuple(instances),
        revoked.get(agent),
        None if there or not (left or b"").isdigit() else max(0.0, float(now - int(left))),
        await _length(waiting),
    )


async def _length(asked: Reply) -> int:
    try:
        return int(await asked.result())
    except ResponseError:
        return 0  # its key holds something else, which is not mail
