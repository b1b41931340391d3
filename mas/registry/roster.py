"""The instances of one process: enrolled together, kept alive, and signed off together.

All are enrolled before any of them starts, so that whoever starts first may already write to the
others. One whose registration is lost, as after FLUSHALL, is enrolled again under the credential that
its agent holds.
"""

import anyio
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.audit import EventKind, Events
from mas.clock import SYSTEM, Clock
from mas.directory import AgentRecord
from mas.errors import RedisUnavailable
from mas.ids import AgentId, InstanceId
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis
from mas.registry.enrolment import enrol, leave
from mas.registry.heartbeat import Heartbeat
from mas.trust import Credential, Keyring

log = logger(__name__)

_SIGN_OFF = 2.0
"""Seconds that signing off may take; whoever is not signed off by then is found dead later."""


class Roster:
    """Who runs here.

    :param members: each instance with its agent's registration
    :param token_life: seconds that a token stays valid without a heartbeat
    :param events: where joining and leaving is recorded
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        keyring: Keyring,
        members: dict[InstanceId, AgentRecord],
        *,
        token_life: float,
        events: Events,
        clock: Clock = SYSTEM,
    ) -> None:
        self._events = events
        self._redis, self._keys, self._keyring = redis, keys, keyring
        self._members, self._token_life, self._clock = members, token_life, clock
        self._credentials: dict[InstanceId, Credential] = {}
        self._heartbeat = Heartbeat(redis, keys, self._enrol_again, token_life=token_life, clock=clock)

    def credential(self, instance: InstanceId) -> Credential:
        """Return what an enrolled instance proves itself with."""
        return self._credentials[instance]

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Enrol all, keep them alive until cancelled, then sign them off."""
        try:
            for instance, record in self._members.items():
                self._credentials[instance] = await self._enrol(instance, record)
                self._heartbeat.join(record.agent_id, instance)
            await self._heartbeat.run(task_status=task_status)
        finally:
            with anyio.move_on_after(_SIGN_OFF, shield=True):
                await self._sign_off()

    async def _enrol(self, instance: InstanceId, record: AgentRecord) -> Credential:
        credential = await enrol(
            self._redis,
            self._keys,
            self._keyring,
            record,
            instance,
            now=self._clock.wall(),
            token_life=self._token_life,
        )
        self._events.post(EventKind.ENROLLED, f"{record.agent_id}:{instance}", actor="its runner")
        return credential

    async def _enrol_again(self, _: AgentId, instance: InstanceId) -> None:
        renewed = await self._enrol(instance, self._members[instance])
        self._credentials[instance].replace(renewed)

    async def _sign_off(self) -> None:
        for instance in self._credentials:
            agent = self._members[instance].agent_id
            self._heartbeat.leave(agent, instance)
            try:
                await leave(self._redis, self._keys, agent, instance)
                self._events.post(EventKind.LEFT, f"{agent}:{instance}", actor="its runner")
            except (RedisUnavailable, ResponseError) as error:
                log.warning("could not sign off; the registry will notice", problem=str(error))
                return
