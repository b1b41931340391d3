"""The Redis users of instances that may not use another's: made, taken away, and where that would be no use.

An instance that runs elsewhere has one, and so has one that a runner confines to a process of its own. Its
rights are those of `redis_rights`; its password is derived from the deployment's secret and its enrolment.
"""

import secrets
from typing import NamedTuple

from redis.exceptions import NoPermissionError, ResponseError

from mas.bus import OWN_GROUP
from mas.directory import InstanceRecord
from mas.errors import EnrolmentRefused
from mas.ids import AgentId, InstanceId
from mas.keys import AGENT_GROUP, GATEWAY_GROUP, Keys
from mas.redis import Redis
from mas.registry.redis_rights import rights
from mas.trust import Keyring


class Account(NamedTuple):
    """What an instance opens its own Redis connections with."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"<Redis account {self.user}>"


def account_of(redis: Redis, keys: Keys, keyring: Keyring, agent: AgentId, record: InstanceRecord) -> Account:
    """Return the account of an enrolled instance."""
    instance = record.instance_id
    return Account(
        keys.redis_user(agent, instance, redis.endpoint.db),
        keyring.redis_password(agent, instance, record.epoch),
    )


async def let_in(
    redis: Redis, keys: Keys, keyring: Keyring, agent: AgentId, record: InstanceRecord, *, now: float
) -> None:
    """Make an instance's groups, which it may not make itself, and its user, or renew what is there.

    :param now: seconds since the epoch
    :raises RedisUnavailable: if Redis does not answer; doing it again is safe
    :raises redis.exceptions.ResponseError: if Redis does not let its users be made
    """
    instance = record.instance_id
    epochs = [record.epoch, *([record.previous] if now < record.previous_until else [])]
    passwords = [keyring.redis_password(agent, instance, epoch) for epoch in epochs]
    # Its token is the witness: what nobody is enrolled for any more is not made again.
    enrolment = keys.token_hash(agent, instance)
    for stream, group in (
        (keys.ingress_of(agent), GATEWAY_GROUP),
        (keys.stream(agent), AGENT_GROUP),
        (keys.instance_stream(agent, instance), AGENT_GROUP),
    ):
        await redis.run_script(OWN_GROUP, [stream, enrolment], [group])
    # For one that is confined, its runner beats.
    rules = rights(keys, agent, instance, passwords, database=redis.endpoint.db, beats=not record.confined)
    await redis.call("ACL", "SETUSER", keys.redis_user(agent, instance, redis.endpoint.db), *rules)


async def shut_out(redis: Redis, keys: Keys, agent: AgentId, instances: tuple[InstanceId, ...]) -> None:
    """Delete the Redis users of instances, which closes their connections; one without is passed over.

    :raises redis.exceptions.ResponseError: if Redis does not let its users be deleted
    """
    users = [keys.redis_user(agent, instance, redis.endpoint.db) for instance in instances]
    # Where nobody has a user of its own, no say over Redis' users is needed.
    has_users = [redis.post("SISMEMBER", listed, agent) for listed in (keys.outsiders, keys.confined)]
    if users and sum([await has.result() for has in has_users]):
        await redis.call("ACL", "DELUSER", *users)


async def refuse_open_redis(redis: Redis, agent: AgentId) -> None:
    """Keep rights from being handed out where everybody has them all.

    :raises EnrolmentRefused: if Redis lets in anybody
    """
    if await default_user_is_open(redis):
        raise EnrolmentRefused(
            agent, "redis' default user has no password: whoever reaches redis may do everything"
        )


async def default_user_is_open(redis: Redis) -> bool:
    """Say whether anybody who reaches Redis is let in without a password."""
    told = await redis.call("ACL", "GETUSER", "default")
    flags = dict(zip(told[::2], told[1::2], strict=True))[b"flags"]
    return b"on" in flags and b"nopass" in flags


async def hindrance(redis: Redis, keys: Keys) -> tuple[str, str] | None:
    """Return what makes users impossible or useless here, and how to mend it; None if nothing does.

    :raises RedisUnavailable: if Redis does not answer
    :raises redis.exceptions.ResponseError: if it refuses for now, whoever asks
    """
    probe = keys.probe_user(secrets.token_hex(8))
    try:
        if await default_user_is_open(redis):
            return "redis' default user has no password", "give it one: requirepass in redis.conf"
        made, gone = (redis.post("ACL", word, probe) for word in ("SETUSER", "DELUSER"))
        await made.result()
        await gone.result()
    except ResponseError as error:
        if not isinstance(error, NoPermissionError) and "unknown" not in str(error).lower():
            raise  # as while it loads: nothing is decided by that
        return f"redis does not let its users be made: {error}", "let MAS's own user use ACL commands"
    return None
