"""Grants: leave to enrol one instance of one agent, once, before a given time, without the secret.

One that names the instance may renew its credentials too; any other is good for a new instance only, so
that its holder cannot take over one that runs.

An operator issues one; whoever holds the file redeems it from anywhere that reaches Redis, under a Redis
user that can do nothing but ask and read the answer. What the holder gets are credentials as an operator
would have written them. A grant does not outlive a restart of Redis: issue another.
"""

import hmac
import secrets
from pathlib import Path

import anyio
import msgspec
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.audit import EventKind, Events
from mas.clock import SYSTEM, Clock
from mas.directory import AgentRecord, Tombstones
from mas.errors import ConfigurationError, EnrolmentRefused, IntegrityError, RedisUnavailable
from mas.ids import AgentId, InstanceId, agent_id, instance_id
from mas.keys import Keys
from mas.log import logger
from mas.redis import Endpoint, Redis, open_redis
from mas.registry.credentials import Credentials, read_private, url_of, without_user, write_private
from mas.registry.enrolment import Lives
from mas.registry.outsiders import enrol_outsider
from mas.registry.redis_users import refuse_open_redis
from mas.settings import RedisUrl, Secret
from mas.trust import Keyring, protect, unprotect
from mas.trust.grant import grant_password, lock_answer, prove_grant, unlock_answer

log = logger(__name__)

INTERVAL = 1.0
"""Seconds between two looks for who asks."""
_ANSWER_LIFE = 60.0
"""Seconds that an answer waits to be read."""
_POLL = 0.2


class GrantFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the holder of a grant holds."""

    agent_id: str
    grant_id: str
    expires_at: int
    """Seconds since the epoch."""
    key: str
    redis_url: str
    namespace: str = ""
    instance_id: str = ""
    """The one instance that it is for; empty for any new one."""

    def __repr__(self) -> str:
        return f"<grant {self.grant_id} for {self.agent_id}>"

    def write(self, path: Path) -> None:
        """Write it for its owner's eyes only.

        :raises OSError: if it cannot be written
        """
        write_private(path, msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")

    @classmethod
    def read(cls, path: Path) -> "GrantFile":
        """Read it.

        :raises ConfigurationError: if it cannot be read, others may read it, or it holds something else
        """
        try:
            held = msgspec.json.decode(read_private(path), type=cls)
            bytes.fromhex(held.key), instance_id(held.grant_id), agent_id(held.agent_id)
            instance_id(held.instance_id or held.grant_id)
        except (msgspec.DecodeError, ValueError):
            raise ConfigurationError(
                "this is not a grant", where=str(path), hint="mas agents grant writes one"
            ) from None
        return held


class _Issued(msgspec.Struct, frozen=True):
    """What Redis keeps of a grant, under a MAC; without it the grant is spent."""

    record: AgentRecord
    expires_at: int
    token_life: float
    redis_url: str
    instance_id: str = ""


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    instance_id: str
    proof: str


class _Answer(msgspec.Struct, frozen=True):
    credentials: str = ""
    refusal: str = ""


async def issue_grant(
    redis: Redis,
    keys: Keys,
    keyring: Keyring,
    record: AgentRecord,
    url: RedisUrl,
    *,
    now: float,
    life: float,
    token_life: float,
    instance: InstanceId | None = None,
) -> GrantFile:
    """Issue a grant.

    :param instance: the one that it is for; None: any that is not enrolled yet, as its holder names it
    :param url: how its holder reaches Redis
    :param life: seconds within which it must be redeemed
    :param token_life: seconds that the credentials are good from then on
    :raises EnrolmentRefused: if Redis lets in anybody
    """
    agent, grant, expires = agent_id(record.agent_id), secrets.token_hex(16), int(now + life)
    await refuse_open_redis(redis, agent)
    key, place = keyring.grant(agent, grant, expires), keys.grant(grant)
    issued = _Issued(record, expires, token_life, without_user(url).reveal(), instance or "")
    stored = protect(keyring.record, place, msgspec.json.encode(issued))
    await redis.call("SET", place, stored, "PX", int(life * 1000))
    await redis.call("SADD", keys.grants, grant)
    password, user = grant_password(key), keys.grant_user(grant)
    await redis.call(
        "ACL", "SETUSER", user, "reset", "on", f">{password}", "+ping", f"+select|{redis.endpoint.db}",
        f"(%W~{keys.grant_asked(grant)} +set)", f"(%R~{keys.grant_answer(grant)} +get)",
    )  # fmt: skip
    way_in = url_of(url, user, password).reveal()
    return GrantFile(agent, grant, expires, key.hex(), way_in, keys.namespace, instance or "")


async def redeem(
    grant: GrantFile, instance: InstanceId, *, patience: float = 15.0, allow_plaintext: bool = False
) -> Credentials:
    """Redeem a grant for an instance's credentials.

    :param patience: seconds to wait for a gateway's answer
    :raises EnrolmentRefused: if the deployment refuses, or does not answer
    :raises RedisUnavailable: if Redis cannot be reached, or does not know the grant (any more)
    :raises ConfigurationError: if the grant would cross the network in the clear
    :raises IntegrityError: if the answer is not the deployment's
    """
    url, key, keys = RedisUrl(Secret(grant.redis_url)), bytes.fromhex(grant.key), Keys(grant.namespace)
    if url.crosses_network_in_clear and not allow_plaintext:
        raise ConfigurationError(f"the grant leads to another machine without TLS: {url}")
    asked = _Asked(instance, prove_grant(key, grant.grant_id, instance))
    async with open_redis(
        Endpoint.parse(url.reveal(), allow_plaintext=allow_plaintext), name="mas:grant"
    ) as redis:
        await redis.call("SET", keys.grant_asked(grant.grant_id), msgspec.json.encode(asked), "EX", 60)
        with anyio.move_on_after(patience):
            while (  # noqa: ASYNC110 - its user may read this one key, and hear nothing
                locked := await redis.call("GET", keys.grant_answer(grant.grant_id))
            ) is None:
                await anyio.sleep(_POLL)
            answer = msgspec.json.decode(unlock_answer(key, grant.grant_id, locked), type=_Answer)
            if answer.refusal:
                raise EnrolmentRefused(grant.agent_id, answer.refusal)
            credentials = Credentials.decode(answer.credentials.encode(), f"grant {grant.grant_id}")
            if (other := credentials.credential.instance_id) != instance:
                raise EnrolmentRefused(grant.agent_id, f"the grant was redeemed already, for {other}")
            return credentials
    raise EnrolmentRefused(grant.agent_id, f"nobody answered within {patience:g} s; does a gateway run?")


class GrantKeeper:
    """Answers those who redeem grants; of several keepers one answers each.

    :param tombstones: who was revoked, as far as this process knows
    :param in_flight: seconds that a submission may wait for its decision
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        keyring: Keyring,
        tombstones: Tombstones,
        events: Events,
        *,
        in_flight: float,
        clock: Clock = SYSTEM,
    ) -> None:
        self._redis, self._keys, self._keyring, self._events = redis, keys, keyring, events
        self._tombstones, self._in_flight, self._clock = tombstones, in_flight, clock
        self._spent: set[str] = set()
        """Grants that had no answer at the last look; another keeper may have been about to write it."""

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Answer until cancelled; an unreachable Redis is waited out."""
        task_status.started()
        while True:
            try:
                await self.look()
            except (RedisUnavailable, ResponseError) as error:
                log.warning("cannot look after grants", problem=str(error))
            await self._clock.sleep(INTERVAL)

    async def look(self) -> None:
        """Look once who asks; forget grants that are spent or have expired."""
        before, self._spent = self._spent, set()
        for name in await self._redis.call("SMEMBERS", self._keys.grants):
            grant = name.decode("utf-8", "replace")
            place = self._keys.grant(grant)
            stored = await self._redis.call("GET", place)
            if stored is None:
                if not await self._redis.call("EXISTS", self._keys.grant_answer(grant)):
                    self._spent.add(grant)
                    if grant in before:
                        await self._forget(grant)
                continue
            asked = await self._redis.call("GET", self._keys.grant_asked(grant))
            if asked is None:
                continue
            try:
                issued = msgspec.json.decode(unprotect(self._keyring.record, place, stored), type=_Issued)
                await self._answer(grant, issued, asked)
            except IntegrityError as error:
                self._events.alarm(error.what, error.problem)
                await self._redis.call("DEL", place)

    async def _forget(self, grant: str) -> None:
        # First its user: what that one may write, it may write without an end.
        await self._redis.call("ACL", "DELUSER", self._keys.grant_user(grant))
        await self._redis.call("DEL", self._keys.grant_asked(grant))
        await self._redis.call("SREM", self._keys.grants, grant)

    async def _answer(self, grant: str, issued: _Issued, asked: bytes) -> None:
        agent, now = AgentId(issued.record.agent_id), self._clock.wall()
        key = self._keyring.grant(agent, grant, issued.expires_at)
        try:
            question = msgspec.json.decode(asked, type=_Asked)
            instance = instance_id(question.instance_id)
        except (msgspec.DecodeError, ValueError):
            raise IntegrityError(f"grant {grant}", "what was asked under it makes no sense") from None
        if not hmac.compare_digest(prove_grant(key, grant, instance), question.proof):
            raise IntegrityError(f"grant {grant}", "somebody without it asked under it")
        # Whoever takes it away answers: once, and no other keeper.
        if not await self._redis.call("DEL", self._keys.grant(grant)) or now >= issued.expires_at:
            return
        try:
            credentials = await self._enrol(issued, instance, now)
        except EnrolmentRefused as refusal:
            answer = _Answer(refusal=refusal.reason)
        else:
            answer = _Answer(credentials.encode().decode())
            self._events.post(EventKind.ENROLLED, f"{agent}:{instance}", actor=f"grant {grant}")
        locked = lock_answer(key, grant, msgspec.json.encode(answer))
        await self._redis.call("SET", self._keys.grant_answer(grant), locked, "PX", int(_ANSWER_LIFE * 1000))

    async def _enrol(self, issued: _Issued, instance: InstanceId, now: float) -> Credentials:
        if issued.instance_id not in {"", instance}:
            agent = issued.record.agent_id
            raise EnrolmentRefused(agent, f"the grant is for {agent}:{issued.instance_id}")
        return await enrol_outsider(
            self._redis,
            self._keys,
            self._keyring,
            issued.record,
            instance,
            RedisUrl(issued.redis_url),
            now=now,
            lives=Lives(issued.token_life, self._in_flight),
            refuses=self._tombstones.refuses,
            renews=instance == issued.instance_id,
        )
