"""The gateway's read-only picture of Redis: the policy, the agents and what their tokens derive from.

Stages ask it and never wait. It is brought up to date by events, by misses, and by a commit that found
the policy changed. A record without its MAC is left out, and an alarm raised: what cannot be trusted
does not exist.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from mas.clock import SYSTEM, Clock
from mas.directory.policy import VERSION_BYTES, Policy, read_policy
from mas.directory.records import (
    RECORD,
    STATUS,
    AgentRecord,
    InstanceRecord,
    instance_field,
    read_agent,
    read_instance,
)
from mas.directory.tombstones import Tombstones
from mas.errors import IntegrityError
from mas.ids import AgentId, InstanceId, is_valid
from mas.keys import Keys
from mas.redis import Redis
from mas.trust import Keyring
from mas.trust.keyring import token_hash

DENY_ALL = Policy(version="0" * 32)
"""What holds where no policy can be read: nothing passes."""
_FORGET_MISS = 1.0
_MOST_MISSES = 10_000
_T = TypeVar("_T")


class Sender(NamedTuple):
    """What is needed to check one instance's submissions."""

    token: bytes
    token_hash: str
    """What must stand under `token_hash_key` at the commit."""
    token_hash_key: str
    expires: float
    """Seconds since the epoch."""
    previous: "Sender | None" = None
    """What the instance signed with before its token was rotated."""


class Mirror:
    """See the module; one gateway has one.

    :param tombstones: who was revoked, as far as this process knows
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        keyring: Keyring,
        *,
        alarm: Callable[[IntegrityError], None],
        tombstones: Tombstones | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.tombstones = Tombstones() if tombstones is None else tombstones
        self.policy = DENY_ALL
        self.fence = ""
        """What must stand at the head of `mas.policy` at the commit, trusted or not."""
        self.agents: dict[AgentId, AgentRecord] = {}
        self.inactive: set[AgentId] = set()
        self._senders: dict[tuple[AgentId, InstanceId], Sender] = {}
        self._missed: dict[object, float] = {}
        self._redis, self._keys, self._keyring = redis, keys, keyring
        self._alarm, self._clock = alarm, clock

    def sender(self, agent: AgentId, instance: InstanceId) -> Sender | None:
        """Return what checks an instance's submissions, None while it is not known."""
        return self._senders.get((agent, instance))

    def is_active(self, agent: AgentId) -> bool:
        """Say whether an agent is registered and has not been deactivated."""
        return agent in self.agents and agent not in self.inactive

    def lanes(self) -> list[AgentId]:
        """Return the agents that have an ingress stream of their own."""
        return sorted(agent for agent, record in self.agents.items() if record.outside or record.lane)

    async def load(self) -> None:
        """Read everything: at the start, and whenever events may have been lost."""
        self._missed.clear()
        self._senders.clear()
        await self.load_policy()
        await self.load_listed_agents()

    async def load_listed_agents(self) -> None:
        """Read the registrations of all agents, and forget those that are gone."""
        listed = await self._redis.call("SMEMBERS", self._keys.agents)
        agents = [AgentId(name.decode()) for name in listed if is_valid(name.decode("utf-8", "replace"))]
        for gone in self.agents.keys() - set(agents):
            del self.agents[gone]
        await self.load_agents(agents)

    async def load_policy(self) -> None:
        """Read the policy; what cannot be read or trusted denies everything."""
        self.take_policy(await self._redis.call("GET", self._keys.policy))

    def take_policy(self, stored: bytes | None) -> None:
        """Take over the policy as Redis has it; what cannot be read or trusted denies everything."""
        self.fence = (stored or b"")[:VERSION_BYTES].decode("utf-8", "replace")
        try:
            self.policy = (
                DENY_ALL if stored is None else read_policy(self._keyring.record, self._keys, stored)
            )
        except IntegrityError as error:
            self.policy = DENY_ALL
            self._alarm(error)

    async def load_agents(self, agents: Iterable[AgentId]) -> None:
        """Read the registrations of these agents, in one round trip."""
        asked = [
            (agent, self._redis.post("HMGET", self._keys.agent(agent), RECORD, STATUS)) for agent in agents
        ]
        for agent, reply in asked:
            record, status = await reply.result()
            self.agents.pop(agent, None)
            self.inactive.discard(agent)
            if record is None:
                continue
            try:
                self.agents[agent] = read_agent(self._keyring.record, self._keys, agent, record)
            except IntegrityError as error:
                self._alarm(error)
            if status == b"inactive":
                self.inactive.add(agent)

    async def learn_targets(self, targets: Iterable[AgentId]) -> None:
        """Look once for targets that are not known; a miss is remembered for a second."""
        if wanted := self._not_missed_lately(set(targets) - self.agents.keys()):
            await self.load_agents(wanted)

    async def learn_senders(self, senders: Iterable[tuple[AgentId, InstanceId]]) -> None:
        """Look once for instances that are not known; a miss is remembered for a second."""
        for found in await self._read_senders(self._not_missed_lately(set(senders) - self._senders.keys())):
            self._missed.pop(found, None)

    async def look_again(self, senders: Iterable[tuple[AgentId, InstanceId]]) -> None:
        """Look at instances whose proof did not fit: their token may have been rotated just now."""
        await self._read_senders(set(senders))

    async def _read_senders(
        self, wanted: Iterable[tuple[AgentId, InstanceId]]
    ) -> list[tuple[AgentId, InstanceId]]:
        asked = [
            (agent, instance, self._redis.post("HGET", self._keys.agent(agent), instance_field(instance)))
            for agent, instance in wanted
        ]
        found = []
        for agent, instance, reply in asked:
            stored = await reply.result()
            if stored is None:
                continue
            try:
                record = read_instance(self._keyring.record, self._keys, agent, instance, stored)
            except IntegrityError as error:
                self._alarm(error)
                continue
            self._senders[agent, instance] = self._sender(agent, record)
            found.append((agent, instance))
        return found

    def _sender(self, agent: AgentId, record: InstanceRecord) -> Sender:
        instance, previous = record.instance_id, None
        if record.previous:
            old = self._keyring.token(agent, instance, record.previous)
            key = self._keys.previous_token_hash(agent, instance)
            previous = Sender(old, token_hash(old), key, record.previous_until)
        token = self._keyring.token(agent, instance, record.epoch)
        key = self._keys.token_hash(agent, instance)
        return Sender(token, token_hash(token), key, record.expires_at, previous)

    def forget_sender(self, agent: AgentId, instance: InstanceId) -> None:
        """Drop what is known of an instance: its token is no longer the one that was expected."""
        self._senders.pop((agent, instance), None)
        self._missed.pop((agent, instance), None)

    def _not_missed_lately(self, wanted: set[_T]) -> list[_T]:
        now = self._clock.monotonic()
        if len(self._missed) > _MOST_MISSES:
            self._missed.clear()
        fresh = [one for one in wanted if now - self._missed.get(one, -_FORGET_MISS) >= _FORGET_MISS]
        self._missed.update(dict.fromkeys(fresh, now))
        return fresh
