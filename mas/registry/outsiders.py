"""Agents that run elsewhere: enrolled by an operator, and let in again whenever Redis forgot them.

Their registration is a record like any other. What Redis does not keep with its data, their users, is
made again from the records after every restart and failover; a user without a record goes. The same is
done for those that a runner confines to processes of their own.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import anyio
import msgspec
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.clock import SYSTEM, Clock
from mas.directory import AgentRecord, InstanceRecord, Tombstones
from mas.directory.records import RECORD, instance_field, read_agent, read_instance
from mas.errors import EnrolmentRefused, IntegrityError, RedisUnavailable
from mas.ids import AgentId, InstanceId, is_valid
from mas.keys import AGENT_GROUP, GATEWAY_GROUP, Keys
from mas.log import logger
from mas.redis import Redis, Reply, Script, Subscriber
from mas.registry.alarm import Alarm, log_alarm
from mas.registry.credentials import Credentials, url_of
from mas.registry.enrolment import Lives, Refuses, enrol, nobody
from mas.registry.redis_users import account_of, default_user_is_open, let_in, refuse_open_redis
from mas.settings import RedisUrl
from mas.trust import Keyring

log = logger(__name__)

INTERVAL = 5.0
"""Seconds between two looks; a reconnect and an event are followed at once."""
_INSTANCE = instance_field(InstanceId("")).encode()

RELIST = Script(
    "list an agent again",
    # KEYS: agent, the list of those with Redis users that it belongs to.  ARGV: instance field, agent.
    # Returns 0 if it is there already, or the instance was taken off the books meanwhile.
    """
    if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
    return redis.call('SADD', KEYS[2], ARGV[2])
    """,
)


class Holder(NamedTuple):
    """One enrolled instance that has a Redis user of its own."""

    agent: AgentId
    record: InstanceRecord


async def enrol_outsider(
    redis: Redis,
    keys: Keys,
    keyring: Keyring,
    record: AgentRecord,
    instance: InstanceId,
    url: RedisUrl,
    *,
    now: float,
    lives: Lives,
    refuses: Refuses = nobody,
    renews: bool = True,
) -> Credentials:
    """Enrol an instance that will run elsewhere, make its Redis user, and return its credentials.

    One that is enrolled already gets new ones; those it had are good until all it submitted under them is
    decided. Who wants them gone at once revokes them first.

    :param url: how it reaches Redis; users and passwords in it are replaced by its own
    :param refuses: what is known of revocations beside Redis
    :param renews: whether an instance that is enrolled already may be given new credentials
    :raises EnrolmentRefused: if it was revoked, if a runner has its id, if it is there already and may not
        be renewed, or if Redis lets in anybody
    :raises RedisUnavailable: if Redis does not answer; enrolling again is safe
    """
    await refuse_open_redis(redis, record.agent_id)
    previous = await _epoch(redis, keys, keyring, record.agent_id, instance, now=now)
    if previous and not renews:
        who = f"{record.agent_id}:{instance}"
        raise EnrolmentRefused(record.agent_id, f"{who} is enrolled already; a grant for {who} renews it")
    credential, enrolled = await enrol(
        redis,
        keys,
        keyring,
        msgspec.structs.replace(record, outside=True),
        instance,
        now=now,
        lives=lives,
        previous=previous,
        refuses=refuses,
    )
    await let_in(redis, keys, keyring, record.agent_id, enrolled, now=now)
    account = account_of(redis, keys, keyring, record.agent_id, enrolled)
    return Credentials(credential, url_of(url, *account), keys.namespace)


async def _epoch(
    redis: Redis, keys: Keys, keyring: Keyring, agent: AgentId, instance: InstanceId, *, now: float
) -> str:
    """Return the epoch that an instance submits under until now; empty if it is not enrolled, or no more."""
    field = instance_field(instance)
    stored = await redis.call("HGET", keys.agent(agent), field)
    if stored is None or not await redis.call("EXISTS", keys.token_hash(agent, instance)):
        return ""
    try:
        record = read_instance(keyring.record, keys, agent, instance, stored)
    except IntegrityError:
        return ""
    return record.epoch if now < record.expires_at else ""


class OutsiderKeeper:
    """Sees to it that whoever is to have a Redis user of its own has it, with its groups, and nobody else.

    Those are the instances that run elsewhere, while their token is good, and those that a runner confines,
    until they are signed off, or taken off the books because their runner died.

    :param tombstones: who was revoked, as far as this process knows
    :param alarm: told what is not as it must be: where, and the problem
    """

    def __init__(
        self,
        redis: Redis,
        subscriber: Subscriber,
        keys: Keys,
        keyring: Keyring,
        tombstones: Tombstones,
        *,
        alarm: Alarm = log_alarm,
        clock: Clock = SYSTEM,
    ) -> None:
        self._redis, self._subscriber, self._keys, self._keyring = redis, subscriber, keys, keyring
        self._tombstones, self._alarm, self._clock = tombstones, alarm, clock
        self._told = anyio.Event()
        self._let_in: dict[str, InstanceRecord] = {}
        self._generation = 0

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Look after them until cancelled; an unreachable Redis is waited out."""
        self._subscriber.listen(self._keys.system, self._hear)
        task_status.started()
        try:
            while True:
                self._told = anyio.Event()
                try:
                    await self.look()
                except RedisUnavailable as error:
                    log.warning("cannot look after agents with redis users of their own", problem=str(error))
                    await self._redis.connected()
                except ResponseError as error:
                    log.error("redis does not let its users be made", problem=str(error))  # noqa: TRY400
                with self._clock.move_on_after(INTERVAL):
                    await self._told.wait()
        finally:
            self._subscriber.ignore(self._keys.system, self._hear)

    async def look(self) -> None:
        """Look once, and mend what is amiss."""
        generation = self._redis.generation
        if generation != self._generation:
            # Perhaps another server, or the same one started anew: it knows only the users of its own file.
            self._let_in.clear()
        # Users first: one that is made meanwhile has a record that is read now.
        try:
            users = await self._redis.call("ACL", "USERS")
        except ResponseError:
            if await self._redis.call("EXISTS", self._keys.outsiders, self._keys.confined):
                raise
            return  # Where nobody has a user of its own, the gateway needs no say over Redis' users.
        names = {user.decode("utf-8", "replace") for user in users}
        there = {name for name in names if self._keys.is_redis_user(name, self._redis.endpoint.db)}
        now = self._clock.wall()
        enrolled = {self._user(holder): holder for holder in await self._enrolled(there, now)}
        strangers = there - enrolled.keys()
        # Whoever signs off meanwhile removes its own, and then none is left to remove.
        if strangers and await self._redis.call("ACL", "DELUSER", *strangers):
            log.warning("a redis user without an enrolment is removed", users=sorted(strangers))
            # Until now it could say that it lives, without an end and after it was taken off the books.
            whose = [self._keys.whose_redis_user(name) for name in strangers]
            traces = [
                key for who in whose for key in (self._keys.heartbeat(*who), self._keys.instance_stream(*who))
            ]
            await self._redis.call("DEL", *traces)
        if enrolled and await default_user_is_open(self._redis):
            self._alarm(
                "redis", "its default user has no password; agents with users of their own are not let in"
            )
            return
        for user, (agent, record) in enrolled.items():
            if user not in there or self._let_in.get(user) != record:
                await let_in(self._redis, self._keys, self._keyring, agent, record, now=now)
                self._let_in[user] = record
        self._generation = generation

    async def _enrolled(self, users: set[str], now: float) -> list[Holder]:
        """Return who is to have a user.

        :param users: those that are there; whom they belong to is looked at as well, for the records say who
            is to have one, and the lists only where to look
        """
        keys = self._keys
        lists = keys.outsiders, keys.confined
        told = [self._redis.post("SMEMBERS", each) for each in lists]
        listed = [{name.decode("utf-8", "replace") for name in await reply.result()} for reply in told]
        names = set().union(*listed, (keys.whose_redis_user(user)[0] for user in users))
        asked = [
            (AgentId(name), self._redis.post("HGETALL", keys.agent(AgentId(name))))
            for name in names
            if is_valid(name)
        ]
        found: list[Holder] = []
        for agent, reply in asked:
            flat = await reply.result()
            # One without a record that only a user names was forgotten.
            if flat or any(agent in each for each in listed):
                found += self._holders(agent, dict(zip(flat[::2], flat[1::2], strict=True)), now)
        # A revoke leaves the records and takes the tokens: Redis' word is newer than the tombstones here.
        looks = [
            (
                each,
                self._exists(keys.token_hash, each),
                self._exists(keys.heartbeat, each),
                self._exists(keys.instance_stream, each),
                self._groups(each),
            )
            for each in found
        ]
        there = []
        for each, token, beat, stream, groups in looks:
            good, beats, has_stream = [bool(await reply.result()) for reply in (token, beat, stream)]
            if sum([await _is_missing(group) for group in groups]):
                # As after a health monitor thought it dead: it may not make streams and groups itself.
                self._let_in.pop(self._user(each), None)
            # Signing off leaves the token good for what is under way, and takes heartbeat and stream.
            if good and (beats or has_stream or not each.record.confined):
                there.append(each)
        for each in there:
            at = int(each.record.confined)
            if each.agent not in listed[at]:
                await self._list(lists[at], each)
        return there

    def _groups(self, holder: Holder) -> list[Reply]:
        agent, keys = holder.agent, self._keys
        return [
            self._redis.post("XPENDING", stream, group)
            for stream, group in (
                (keys.ingress_of(agent), GATEWAY_GROUP),
                (keys.stream(agent), AGENT_GROUP),
                (keys.instance_stream(agent, holder.record.instance_id), AGENT_GROUP),
            )
        ]

    async def _list(self, place: str, holder: Holder) -> None:
        agent, field = holder.agent, instance_field(holder.record.instance_id)
        if await self._redis.run_script(RELIST, [self._keys.agent(agent), place], [field, agent]):
            self._alarm(place, f"it did not name {agent}, who is enrolled; it is put back")

    def _exists(self, name: Callable[[AgentId, InstanceId], str], holder: Holder) -> Reply:
        return self._redis.post("EXISTS", name(holder.agent, holder.record.instance_id))

    def _user(self, holder: Holder) -> str:
        return self._keys.redis_user(holder.agent, holder.record.instance_id, self._redis.endpoint.db)

    def _holders(self, agent: AgentId, fields: dict[bytes, bytes], now: float) -> Iterator[Holder]:
        key = self._keyring.record
        try:
            outside = read_agent(key, self._keys, agent, fields.get(RECORD.encode(), b"")).outside
            for name, stored in fields.items():
                if not name.startswith(_INSTANCE):
                    continue
                instance = InstanceId(name.removeprefix(_INSTANCE).decode("utf-8", "replace"))
                record = read_instance(key, self._keys, agent, instance, stored)
                has_user = outside or record.confined
                if has_user and now < record.expires_at and not self._tombstones.refuses(agent, instance):
                    yield Holder(agent, record)
        except IntegrityError as error:
            self._alarm(error.what, error.problem)

    def _hear(self, _: bytes | None) -> None:
        self._told.set()


async def _is_missing(group: Reply) -> bool:
    try:
        await group.result()
    except ResponseError as error:
        # Whatever else is wrong with that key, making the group would not mend it.
        return "NOGROUP" in str(error)
    return False
