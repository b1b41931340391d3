"""The one module that sees everyone: it turns a configuration into a running tree.

    mas (one_for_one)
    ├── redis          the embedded server, where no URL is given
    ├── connection     one socket for all commands of this process
    ├── subscription   one socket for all rings
    ├── audit          seals what is recorded, and archives it
    ├── events         writes down what touches security and is no message
    ├── tombstones     who was revoked: in Redis, in this process and on this disk alike
    ├── registry       finds instances that died
    ├── policy         keeps what the configuration grants in Redis
    ├── outsiders      lets agents that run elsewhere into Redis, and nobody else
    ├── gateway        decides and delivers
    ├── roster         enrols the agents, keeps them alive, signs them off
    ├── pulse          the beat of all inboxes
    └── agents (one_for_one)
        └── echo-1, echo-2, ...

Started downward, stopped upward: whoever still works while it stops can still be answered.
"""

import socket
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from os import environ as process_environ
from pathlib import Path
from typing import Any, Literal

import anyio
from anyio.abc import TaskStatus

from mas.agent import Agent, Life, Pulse, Services
from mas.audit import SCRIPTS as AUDIT_SCRIPTS
from mas.audit import EventKind, Events, Places, Sealer
from mas.clock import SYSTEM, Clock
from mas.directory import SCRIPTS as DIRECTORY_SCRIPTS
from mas.directory import AgentRecord, Authorization, PolicyKeeper, Rule, Tombstones, rules_of
from mas.errors import ConfigurationError, EnrolmentRefused, MasError, RedisUnavailable, StartFailed
from mas.gateway import BLOCK, Gateway
from mas.gateway import SCRIPTS as GATEWAY_SCRIPTS
from mas.ids import InstanceId, agent_id, new_instance_id
from mas.keys import Keys
from mas.redis import Redis, Subscriber, open_redis
from mas.redis.embedded import EmbeddedServer
from mas.registry import SCRIPTS as REGISTRY_SCRIPTS
from mas.registry import (
    HealthMonitor,
    Lives,
    OutsiderKeeper,
    Roster,
    TombstoneFile,
    TombstoneKeeper,
)
from mas.settings import AgentSettings, Settings, deployment_secret, load, resolve_class
from mas.settings.permissions import roles_in
from mas.supervision import Budget, Child, Declined, Event, Restart, Supervisor
from mas.supervision.tree import brief
from mas.trust import Keyring

Part = Literal["gateway", "service", "agents"]
ALL: frozenset[Part] = frozenset({"gateway", "service", "agents"})
SCRIPTS = (*AUDIT_SCRIPTS, *DIRECTORY_SCRIPTS, *GATEWAY_SCRIPTS, *REGISTRY_SCRIPTS)
Config = str | Path | Mapping[str, Any] | Settings | None
_LINKS = ("connection", "subscription")
_AGENT_BUDGET = Budget(max_restarts=5, within=60.0)


class Seat:
    """One instance's place in the tree: each start makes a new life, and the last one can be asked."""

    def __init__(self, name: str, spec: AgentSettings, cls: type[Agent[Any]], instance: InstanceId) -> None:
        self.name, self.spec, self.instance = name, spec, instance
        self._cls = cls
        self.life: Life | None = None

    def make(self) -> Agent[Any]:
        """Make the agent.

        :raises ConfigurationError: if its constructor raises, as one does that does not take `init_kwargs`
        """
        with self._telling("the agent cannot be made"):
            return self._cls(self.spec.agent_id, **self.spec.init_kwargs)

    def record(self) -> AgentRecord:
        """Return what the directory is to say of the agent.

        :raises ConfigurationError: if the agent cannot be made, or does not say
        """
        agent = self.make()
        with self._telling("the agent does not say what it is"):
            capabilities = tuple(dict.fromkeys(map(str, agent.capabilities)))
            return AgentRecord(self.spec.agent_id, capabilities, dict(agent.get_metadata()))

    def child(self, roster: Roster, services: Callable[[], Services]) -> Child:
        """Return what the supervisor is to run."""

        async def run(*, task_status: TaskStatus[None]) -> None:
            try:
                credential = await roster.admit(self.instance)
            except EnrolmentRefused as refusal:
                raise Declined(str(refusal)) from refusal
            self.life = Life(
                self.make,
                lambda: credential,
                services(),
                concurrency=self.spec.concurrency,
            )
            await self.life.run(task_status=task_status)

        spec = self.spec
        return Child(
            self.name,
            run,
            restart=Restart(spec.restart),
            start_timeout=spec.start_timeout,
            shutdown=spec.shutdown,
            budget=Budget(max_restarts=spec.max_restarts, within=spec.within),
            stop=self._ask(Life.stop),
            pause=self._ask(Life.pause),
            resume=self._ask(Life.resume),
        )

    def _ask(self, order: Callable[[Life], None]) -> Callable[[], None]:
        def ask() -> None:
            if self.life is not None:
                order(self.life)

        return ask

    @contextmanager
    def _telling(self, problem: str) -> Generator[None]:
        """Tell which agent it was whose own code raised."""
        try:
            yield
        except Exception as error:
            where = f"agent {self.spec.agent_id}, class_path {self.spec.class_path}"
            raise ConfigurationError(f"{problem}: {brief(error)}", where=where) from error


class System:
    """A configuration, made ready to run; `open_system` runs it.

    :param on_event: hears of whatever happens in the tree
    :ivar root: the supervision tree
    :ivar redis: the process's shared connection, usable once the system runs
    """

    def __init__(
        self,
        settings: Settings,
        parts: frozenset[Part],
        secret: bytes,
        clock: Clock,
        classes: Mapping[str, type[Agent[Any]]],
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.settings, self.parts, self._classes = settings, parts, classes
        self.ended = anyio.Event()
        self.keys = Keys(settings.namespace)
        self._keyring, self._clock = Keyring(secret), clock
        self._embedded = EmbeddedServer(settings.data_dir) if settings.redis_url is None else None
        self.endpoint = settings.redis_url.reveal() if settings.redis_url else self._url()
        wait = settings.gateway.redis
        self._timeouts: dict[str, Any] = {
            "response_timeout": wait.response_timeout,
            "connect_timeout": wait.connect_timeout,
        }
        self.redis = Redis(self.endpoint, scripts=SCRIPTS, **self._timeouts)
        self.subscriber = Subscriber(self.endpoint, **self._timeouts)
        self.events = Events(self.redis, self.keys, self._keyring, socket.gethostname(), clock=clock)
        self._pulse, self._tombstones = Pulse(clock), Tombstones()
        self.seats = self._seats() if "agents" in parts else []
        self._policy = self._keeper() if "gateway" in parts else None
        self._roles = roles_in(settings.permissions)
        self.root = Supervisor("mas", self._children(), clock=clock, on_event=on_event)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Run the tree until it is told to shut down, or fails.

        :raises ConfigurationError: if an agent or the embedded server cannot be made
        :raises RedisUnavailable: if Redis cannot be reached at the start
        :raises SupervisionError: if something else did not start, or could not be kept running
        """
        try:
            await self.root.run(task_status=task_status)
        except StartFailed as failed:
            reason = self._reason(failed)
            raise reason from reason.__cause__
        finally:
            self.ended.set()

    async def drain(self) -> None:
        """Stop in reverse order of the start; what takes longer than `shutdown_grace` is cancelled."""
        self.root.shutdown()
        with anyio.move_on_after(self.settings.shutdown_grace):
            await self.ended.wait()
        self.root.shutdown(now=True)

    async def reload(self, settings: Settings) -> bool:
        """Put the permissions of newer settings in force; everything else waits for a restart.

        :returns: whether that changed anything
        :raises MasError: if no gateway runs in this process
        :raises RedisUnavailable: if Redis does not answer; the permissions stay as they were
        """
        if self._policy is None:
            raise MasError("permissions are the gateway's business, and none runs in this process")
        self._roles = roles_in(settings.permissions)
        return await self._policy.publish(_rules(settings))

    @property
    def authorization(self) -> Authorization:
        """Begin a change of who may message whom, which its `apply()` puts in force.

        :raises MasError: if no gateway runs in this process
        """
        if self._policy is None:
            raise MasError("permissions are the gateway's business, and none runs in this process")
        return Authorization(self._policy, self._roles if self.settings.gateway.features.rbac else None)

    def agent(self, name: str) -> Agent[Any]:
        """Return a running agent of this process, by its id or, of several instances, `id-number`.

        :raises MasError: if it does not run here, or not now
        """
        wanted = agent_id(name)
        for seat in self.seats:
            if wanted in {seat.name, seat.spec.agent_id} and seat.life is not None:
                return seat.life.agent
        raise MasError(f"no agent {name} runs in this process")

    def _reason(self, failed: StartFailed) -> MasError:
        """Return what kept the tree from starting, without the children's names around it."""
        reason: BaseException = failed
        while isinstance(reason, StartFailed) and reason.__cause__ is not None:
            reason = reason.__cause__
        if isinstance(reason, ConfigurationError | RedisUnavailable):
            return reason
        if failed.child in _LINKS:
            return RedisUnavailable(self.redis.trouble)
        return failed

    def _url(self) -> str:
        assert self._embedded is not None  # noqa: S101 - the caller has no URL
        return self._embedded.url

    def _seats(self) -> list[Seat]:
        seats = []
        for spec in self.settings.agents:
            cls = self._classes.get(spec.agent_id) or resolve_class(
                spec, search=self.settings.base, base=Agent
            )
            for number in range(1, spec.instances + 1):
                name = spec.agent_id if spec.instances == 1 else f"{spec.agent_id}-{number}"
                seats.append(Seat(name, spec, cls, new_instance_id()))
        return seats

    def _children(self) -> list[Child]:
        children = []
        if self._embedded is not None:
            children.append(Child("redis", self._embedded.run, shutdown=0, unwind=15.0))
        # Their first connection is a start; after that they reconnect by themselves, for ever.
        # A moment longer than one attempt may take, so that it can say what its trouble was.
        patience = self.settings.gateway.redis.connect_timeout + 0.5
        for name, link in zip(_LINKS, (self.redis, self.subscriber), strict=True):
            children.append(Child(name, link.run, start_timeout=patience))
        if self._policy is not None:
            # First, hence last to stop: it seals what the others still record.
            children.append(Child("audit", self._sealer().run))
        children.append(Child("events", self.events.run))
        children.append(Child("tombstones", self._keep_tombstones().run))
        if "service" in self.parts and self.settings.start_service:
            in_flight = self.settings.gateway.longest_in_flight
            monitor = HealthMonitor(
                self.redis, self.keys, self.events, in_flight=in_flight, clock=self._clock
            )
            children.append(Child("registry", monitor.run))
        if self._policy is not None:
            outsiders = OutsiderKeeper(
                self.redis,
                self.subscriber,
                self.keys,
                self._keyring,
                self._tombstones,
                alarm=self.events.alarm,
                clock=self._clock,
            )
            children += [
                Child("policy", self._policy.run),
                Child("outsiders", outsiders.run),
                Child("gateway", self._run_gateway),
            ]
        if self.seats:
            children += self._agents()
        return children

    def _keep_tombstones(self) -> TombstoneKeeper:
        file = TombstoneFile(self.settings.data_dir, self.keys, self._keyring.record)
        return TombstoneKeeper(
            self.redis,
            self.subscriber,
            self.keys,
            self._keyring,
            self._tombstones,
            file,
            alarm=self.events.alarm,
            clock=self._clock,
        )

    def _keeper(self) -> PolicyKeeper:
        return PolicyKeeper(
            self.redis,
            self.keys,
            self._keyring,
            _rules(self.settings),
            clock=self._clock,
            published=lambda policy: self.events.post(
                EventKind.POLICY_CHANGED, policy.version, detail=f"{len(policy.rules)} rules"
            ),
            alarm=self.events.alarm,
        )

    def _sealer(self) -> Sealer:
        audit = self.settings.gateway.audit
        places = Places.of(audit, self.settings.data_dir, self.settings.base)
        return Sealer(self.redis, self.keys, self._keyring, audit, places, self.events, clock=self._clock)

    def _agents(self) -> list[Child]:
        gateway = self.settings.gateway
        roster = Roster(
            self.redis,
            self.keys,
            self._keyring,
            {seat.instance: seat.record() for seat in self.seats},
            lives=Lives(gateway.authentication.token_lifetime, gateway.longest_in_flight),
            events=self.events,
            tombstones=self._tombstones,
            on_refused=self._stop_seat,
            clock=self._clock,
        )
        services = Services(
            self.redis,
            self.subscriber,
            self.keys,
            self._pulse,
            gateway.delivery,
            self._clock,
            self.keys.ingress,
        )
        agents = Supervisor(
            "agents", [seat.child(roster, lambda: services) for seat in self.seats], budget=_AGENT_BUDGET
        )
        return [Child("roster", roster.run), Child("pulse", self._pulse.run), Child("agents", agents)]

    def _stop_seat(self, instance: InstanceId) -> None:
        """Let an agent that may not go on finish what it is at, and not start again by itself."""
        for seat in self.seats:
            if seat.instance == instance and seat.life is not None:
                seat.life.stop()

    async def _run_gateway(self, *, task_status: TaskStatus[None]) -> None:
        async with open_redis(
            self.endpoint, name="mas:gateway", scripts=SCRIPTS, blocking=BLOCK, **self._timeouts
        ) as reading:
            gateway = Gateway(
                self.redis,
                reading,
                self.subscriber,
                self.keys,
                self._keyring,
                self.settings.gateway,
                tombstones=self._tombstones,
                clock=self._clock,
                alarm=self.events.alarm,
            )
            await gateway.run(task_status=task_status)


@asynccontextmanager
async def open_system(
    config: Config = None,
    *,
    parts: frozenset[Part] = ALL,
    environ: Mapping[str, str] = process_environ,
    clock: Clock = SYSTEM,
    on_event: Callable[[Event], None] | None = None,
) -> AsyncGenerator[System]:
    """Run a system for the length of a block, inside any anyio app.

    The block begins when every agent reads its mail. Leaving it stops everything in reverse order,
    within `shutdown_grace`; no task, connection or process is left.

    :param config: a path, a mapping as agents.yaml would hold it (`class_path` may be the class itself),
        settings, or None to search upward for agents.yaml
    :param parts: what of the system runs in this process
    :param on_event: hears of whatever happens in the supervision tree, at once
    :raises ConfigurationError: if the configuration cannot be used
    :raises RedisUnavailable: if Redis cannot be reached at the start
    :raises StartFailed: if something else did not start
    """
    system = prepare(config, parts=parts, environ=environ, clock=clock, on_event=on_event)
    raised: list[BaseException] = []
    with _told_plainly(raised):
        async with anyio.create_task_group() as tasks:
            await tasks.start(system.run)
            try:
                yield system
            except BaseException as error:
                raised.append(error)
                raise
            finally:
                with anyio.CancelScope(shield=True):
                    await system.drain()


def prepare(
    config: Config = None,
    *,
    parts: frozenset[Part] = ALL,
    environ: Mapping[str, str] = process_environ,
    clock: Clock = SYSTEM,
    on_event: Callable[[Event], None] | None = None,
) -> System:
    """Return a system that is ready to run; the parameters and errors are those of `open_system`."""
    config, classes = _split_classes(config)
    settings = load(config, environ=environ)
    secret = deployment_secret(settings, environ)
    return System(settings, parts, secret.encode(), clock, classes, on_event)


def _rules(settings: Settings) -> list[Rule]:
    return rules_of(settings.permissions, roles=settings.gateway.features.rbac)


def _split_classes(config: Config) -> tuple[Config, dict[str, type[Agent[Any]]]]:
    """Put a name in the place of each class that a mapping holds as `class_path`."""
    classes: dict[str, type[Agent[Any]]] = {}
    if not isinstance(config, Mapping) or not isinstance(config.get("agents"), list | tuple):
        return config, classes
    agents = []
    for spec in config["agents"]:
        cls = spec.get("class_path") if isinstance(spec, Mapping) else None
        if isinstance(cls, type) and issubclass(cls, Agent):
            classes[str(spec.get("agent_id"))] = cls
            spec = {**spec, "class_path": f"given:{cls.__name__}"}  # noqa: PLW2901 - the one in the copy
        agents.append(spec)
    return {**config, "agents": agents}, classes


@contextmanager
def _told_plainly(raised: Sequence[BaseException]) -> Generator[None]:
    """Raise what went wrong, not the groups it is wrapped in.

    :param raised: what the block itself raised, which comes out as it is, group or not
    """
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while error not in raised and isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from error.__cause__
