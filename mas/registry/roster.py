"""The instances of one process: enrolled together, kept alive, and signed off together.

All are enrolled before any of them starts, so that whoever starts first may already write to the
others. One whose registration is lost, as after FLUSHALL, is enrolled again under the credential that
its agent holds, and so is one whose token has lived half its life. One that was revoked stays out: the
others do without it.

One that runs in a process of its own gets a Redis user of its own, wherever Redis allows it; there, from
its enrolment to its end, it is no more to Redis than one that runs elsewhere.
"""

from collections.abc import Callable, Collection

import anyio
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.audit import EventKind, Events
from mas.clock import SYSTEM, Clock
from mas.directory import AgentRecord, InstanceRecord, Tombstones
from mas.errors import EnrolmentRefused, RedisUnavailable
from mas.ids import AgentId, InstanceId
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis
from mas.registry.enrolment import Lives, enrol, leave
from mas.registry.heartbeat import Heartbeat
from mas.registry.redis_users import Account, account_of, hindrance, let_in
from mas.trust import Credential, Keyring

log = logger(__name__)

_SIGN_OFF = 2.0
"""Seconds that signing off may take; whoever is not signed off by then is found dead later."""
_RETRY = 5.0
"""Seconds until a rotation that Redis did not answer is tried again."""


class Roster:
    """Who runs here.

    :param members: each instance with its agent's registration
    :param lives: how long tokens are good
    :param apart: those that run in processes of their own
    :param tombstones: who may not join
    :param events: where joining and leaving is recorded
    :param on_refused: called with an instance that ran and may not go on; must not wait
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        keyring: Keyring,
        members: dict[InstanceId, AgentRecord],
        *,
        lives: Lives,
        events: Events,
        apart: Collection[InstanceId] = (),
        tombstones: Tombstones | None = None,
        on_refused: Callable[[InstanceId], None] = lambda _: None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._events = events
        self._redis, self._keys, self._keyring = redis, keys, keyring
        self._members, self._lives, self._clock = members, lives, clock
        self._apart, self._confined = frozenset(apart), frozenset[InstanceId]()
        self._tombstones = Tombstones() if tombstones is None else tombstones
        self._on_refused = on_refused
        self._dismissed: list[InstanceId] = []
        self._dismissal, self._moving = anyio.Event(), anyio.Lock()
        self._credentials: dict[InstanceId, Credential] = {}
        self._records: dict[InstanceId, InstanceRecord] = {}
        self._heartbeat = Heartbeat(redis, keys, self._enrol_again, clock=clock)

    async def admit(self, instance: InstanceId) -> Credential:
        """Return what an instance proves itself with; one that was refused before may ask again.

        :raises EnrolmentRefused: if it may not run
        """
        async with self._moving:
            if instance not in self._records:
                await self._enrol(instance)
            elif instance in self._confined:
                # Redis may have lost its user just now, and a process that is not let in at its start is a
                # crash.
                await self._let_in(instance, self._records[instance])
        return self._credentials[instance]

    def dismiss(self, instance: InstanceId) -> None:
        """Sign an instance off, soon, that was given up; when it is admitted again, it is enrolled again."""
        self._dismissed.append(instance)
        self._dismissal.set()

    def account(self, instance: InstanceId) -> Account | None:
        """Return what an instance opens Redis with, as of now; None if it does so as its runner.

        :raises EnrolmentRefused: if it was to have an account, and may not run any more
        """
        if instance not in self._confined:
            return None
        agent = self._members[instance].agent_id
        if (record := self._records.get(instance)) is None:
            raise EnrolmentRefused(agent, f"{agent}:{instance} is not enrolled")
        return account_of(self._redis, self._keys, self._keyring, agent, record)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Enrol all, keep them alive until cancelled, then sign them off."""
        if self._apart:
            await self._see_who_is_confined()
        try:
            for instance, record in self._members.items():
                try:
                    await self._enrol(instance)
                except EnrolmentRefused as refusal:
                    log.critical("an agent may not run", agent=record.agent_id, problem=str(refusal))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._rotate_in_time)
                tasks.start_soon(self._see_off)
                await self._heartbeat.run(task_status=task_status)
        finally:
            with anyio.move_on_after(_SIGN_OFF, shield=True):
                await self._sign_off()

    async def rotate(self, instance: InstanceId) -> None:
        """Give an instance a fresh token, unless it was signed off; what it said under the old one counts.

        :raises EnrolmentRefused: if it may not run any more
        """
        async with self._moving:
            if (record := self._records.get(instance)) is not None:
                await self._enrol(instance, previous=record.epoch)

    async def _enrol(self, instance: InstanceId, *, previous: str = "") -> None:
        record = self._members[instance]
        credential, enrolled = await enrol(
            self._redis,
            self._keys,
            self._keyring,
            record,
            instance,
            now=self._clock.wall(),
            lives=self._lives,
            previous=previous,
            refuses=self._tombstones.refuses,
            confined=instance in self._confined,
        )
        if instance in self._confined:
            try:
                await self._let_in(instance, enrolled)
            except (RedisUnavailable, ResponseError) as error:
                if instance not in self._records:
                    raise
                # It runs, and has joined: the gateways let it in, as those that run elsewhere.
                log.warning("an agent is let into redis later", agent=record.agent_id, problem=str(error))
        self._records[instance] = enrolled
        # Whoever signs with it holds this very object.
        self._credentials.setdefault(instance, credential).replace(credential)
        self._heartbeat.join(record.agent_id, instance)
        kind = EventKind.ROTATED if previous else EventKind.ENROLLED
        self._events.post(kind, f"{record.agent_id}:{instance}", actor="its runner")

    async def _let_in(self, instance: InstanceId, record: InstanceRecord) -> None:
        agent, now = self._members[instance].agent_id, self._clock.wall()
        await let_in(self._redis, self._keys, self._keyring, agent, record, now=now)

    async def _see_who_is_confined(self) -> None:
        """Decide whether processes get Redis users of their own."""
        if (found := await hindrance(self._redis, self._keys)) is None:
            self._confined = self._apart
            return
        problem, hint = found
        agents = sorted({self._members[instance].agent_id for instance in self._apart})
        log.warning(
            "agents in processes of their own share this process's access to all of redis",
            agents=agents,
            problem=problem,
            hint=hint,
        )

    async def _enrol_again(self, agent: AgentId, instance: InstanceId) -> None:
        async with self._moving:
            if (lost := self._records.get(instance)) is None:
                return  # it was signed off just now
            try:
                await self._enrol(instance)
            except EnrolmentRefused as refusal:
                self._refuse(agent, instance, refusal)
                return
        if self._clock.wall() < lost.expires_at:
            self._events.alarm(
                f"{agent}:{instance}", "its token was gone from redis before its time; it is enrolled again"
            )

    async def _rotate_in_time(self) -> None:
        while True:
            half = self._lives.token / 2
            now = self._clock.wall()
            due = [each for each, record in self._records.items() if now - record.enrolled_at >= half]
            trouble = False
            for instance in due:
                try:
                    await self.rotate(instance)
                except EnrolmentRefused as refusal:
                    self._refuse(self._members[instance].agent_id, instance, refusal)
                except (RedisUnavailable, ResponseError) as error:
                    log.warning("a token cannot be rotated yet", problem=str(error))
                    trouble = True
                    break
            oldest = min((record.enrolled_at for record in self._records.values()), default=now)
            await self._clock.sleep(_RETRY if trouble else max(0.0, oldest + half - self._clock.wall()))

    def _refuse(self, agent: AgentId, instance: InstanceId, refusal: EnrolmentRefused) -> None:
        log.critical("an agent may not go on", agent=agent, instance=instance, problem=str(refusal))
        self._heartbeat.leave(agent, instance)
        del self._records[instance]
        self._on_refused(instance)

    async def _see_off(self) -> None:
        """Take off the books who was dismissed: mail for an agent is not to count on who does not live."""
        while True:
            await self._dismissal.wait()
            self._dismissal = anyio.Event()
            while self._dismissed:
                instance = self._dismissed.pop()
                async with self._moving:
                    if instance in self._records and await self._leave(instance):
                        log.error("an agent was given up, and signed off", instance=instance)

    async def _sign_off(self) -> None:
        for instance in list(self._records):
            if not await self._leave(instance):
                return

    async def _leave(self, instance: InstanceId) -> bool:
        """Sign one off; False if Redis does not hear of it: the registry will notice that it is silent."""
        agent = self._members[instance].agent_id
        self._heartbeat.leave(agent, instance)
        del self._records[instance]
        try:
            if instance in self._confined:
                # Right before it leaves, or a gateway might let it in again meanwhile.
                user = self._keys.redis_user(agent, instance, self._redis.endpoint.db)
                self._redis.post("ACL", "DELUSER", user)
            await leave(self._redis, self._keys, agent, instance, in_flight=self._lives.in_flight)
            self._events.post(EventKind.LEFT, f"{agent}:{instance}", actor="its runner")
        except (RedisUnavailable, ResponseError) as error:
            log.warning("could not sign off; the registry will notice", problem=str(error))
            return False
        return True
