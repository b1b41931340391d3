"""Everyone a configuration asks for, made and put in their places."""

import os
import socket
from collections.abc import Callable, Mapping
from typing import Any, Literal

import anyio
from anyio.abc import TaskStatus

from mas.agent import Agent, Fared, Pulse, Services
from mas.agent.watchdog import Watchdog
from mas.audit import SCRIPTS as AUDIT_SCRIPTS
from mas.audit import Events, Sealer
from mas.clock import Clock
from mas.decision import Decision
from mas.directory import SCRIPTS as DIRECTORY_SCRIPTS
from mas.directory import Authorization, Tombstones
from mas.errors import ConfigurationError, MasError, RedisUnavailable, StartFailed
from mas.gateway import BLOCK, DecisionCounts, Gateway, Pace
from mas.gateway import SCRIPTS as GATEWAY_SCRIPTS
from mas.ids import AgentId, InstanceId, agent_id, new_instance_id
from mas.keys import Keys
from mas.letters import Archivist
from mas.ops import Sources
from mas.redis import Endpoint, Redis, Subscriber, open_redis
from mas.redis.embedded import EmbeddedServer
from mas.registry import SCRIPTS as REGISTRY_SCRIPTS
from mas.registry import (
    Counts,
    HealthMonitor,
    Lives,
    Reporter,
    Roster,
)
from mas.settings import GatewaySettings, Settings, resolve_class
from mas.settings.supervisors import DEFAULT
from mas.steering import Bulletin, Runner, new_runner_name, node_of
from mas.supervision import Child, Event, Supervisor
from mas.supervision.events import GaveUp
from mas.system.bounds import archivist_of, sealer_of
from mas.system.eviction import warn_of_eviction
from mas.system.operating import steered, trusting, watched
from mas.system.policy import Reloaded, SystemPolicy
from mas.system.registered import Registered
from mas.system.seat import Seat, Surroundings
from mas.system.tree import AgentTree
from mas.trust import Keyring

Part = Literal["gateway", "service", "agents"]
ALL: frozenset[Part] = frozenset({"gateway", "service", "agents"})
SCRIPTS = (*AUDIT_SCRIPTS, *DIRECTORY_SCRIPTS, *GATEWAY_SCRIPTS, *REGISTRY_SCRIPTS)
_LINKS = ("connection", "subscription")
_ROOT = "mas"


class System:
    """A configuration, made ready to run; `open_system` runs it.

    :param classes: those given in place of a path, by agent
    :param on_event: hears of whatever happens in the tree
    :param log_setup: see `prepare`
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
        log_setup: str = "",
    ) -> None:
        self.settings, self.parts, self._classes = settings, parts, classes
        self._on_event, self._log_setup = on_event, log_setup
        self.ended = anyio.Event()
        self.keys = Keys(settings.namespace)
        self._keyring, self._clock = Keyring(secret), clock
        self._embedded, self.endpoint = self._find_redis()
        wait = settings.gateway.redis
        self._timeouts: dict[str, Any] = {
            "response_timeout": wait.response_timeout,
            "connect_timeout": wait.connect_timeout,
        }
        self._place = Endpoint.parse(self.endpoint, allow_plaintext=wait.allow_plaintext)
        self.redis = Redis(self._place, scripts=SCRIPTS, **self._timeouts)
        self.subscriber = Subscriber(self._place, **self._timeouts)
        self.events = Events(self.redis, self.keys, self._keyring, socket.gethostname(), clock=clock)
        self._pulse, self._tombstones = Pulse(clock), Tombstones()
        self._fared, self._pace = Fared(), Pace()
        self._watchdog = Watchdog(settings.loop_alarm) if settings.loop_alarm else None
        self.name = new_runner_name()
        self.seats = self._seats() if "agents" in parts else []
        self._tree = self._agent_tree() if self.seats else None
        self._in_force = settings.gateway
        self._policy = self._make_policy() if "gateway" in parts else None
        self._decisions = DecisionCounts()
        self._bulletin = Bulletin(self.redis, self.keys, self._keyring, self.name, self.look)
        places = {} if self._tree is None else self._tree.seats
        self._reporter = Reporter(
            self.redis,
            self.keys,
            _ROOT,
            {path: (seat.spec.agent_id, seat.instance) for path, seat in places.items()},
        )
        self.root = Supervisor(_ROOT, self._children(), clock=clock, on_event=self._hear)

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

    async def reload(self, settings: Settings) -> Reloaded:
        """Put the permissions and gateway settings of newer settings in force, on all gateways in one step.

        What they do not grant any more is gone. Settings that a running system takes up only at its next
        start are named in what is returned, and stay as they are.

        :raises MasError: if no gateway runs in this process
        :raises RedisUnavailable: if Redis does not answer; all stays as it was
        """
        if self._policy is None:
            raise MasError("the policy is the gateway's business, and none runs in this process")
        return await self._policy.reload(settings)

    @property
    def decisions(self) -> Mapping[Decision, int]:
        """How often the gateway of this process made each decision, since the process began."""
        return self._decisions.decisions

    @property
    def counts(self) -> Counts:
        """What the tree has gone through since the process began, for the metrics."""
        return self._reporter.counts

    def look(self) -> Runner:
        """Return this process and its tree as they are now."""
        places = {} if self._tree is None else self._tree.seats

        def about(path: str) -> tuple[str, int]:
            seat = places.get(path)
            return ("", 0) if seat is None else (seat.spec.agent_id, seat.pid)

        return Runner(
            self.name,
            socket.gethostname(),
            os.getpid(),
            tuple(sorted(self.parts)),
            self._clock.wall(),
            node_of(self.root.tree(), about),
        )

    @property
    def authorization(self) -> Authorization:
        """Begin a change of who may message whom, which its `apply()` puts in force.

        :raises MasError: if no gateway runs in this process
        """
        if self._policy is None:
            raise MasError("permissions are the gateway's business, and none runs in this process")
        return self._policy.authorization

    def agent(self, name: str) -> Agent[Any]:
        """Return a running agent of this process, by its id or, of several instances, `id-number`.

        :raises MasError: if it does not run here, or not now
        """
        wanted = agent_id(name)
        for seat in self.seats:
            if wanted in {seat.name, seat.spec.agent_id} and seat.life is not None:
                return seat.agent
        raise MasError(f"no agent {name} runs in this process")

    def _reason(self, failed: StartFailed) -> MasError:
        """Return what kept the tree from starting, without the children's names around it."""
        reason: BaseException = failed
        while isinstance(reason, StartFailed) and reason.__cause__ is not None:
            reason = reason.__cause__
        if isinstance(reason, ConfigurationError | RedisUnavailable):
            return reason
        if failed.child in _LINKS:
            hint = "start one there, or leave the URL out: MAS then runs one of its own"
            return RedisUnavailable(self.redis.trouble, hint="" if self._embedded else hint)
        return failed

    def _find_redis(self) -> tuple[EmbeddedServer | None, str]:
        if self.settings.redis_url is not None:
            return None, self.settings.redis_url.reveal()
        own = EmbeddedServer(self.settings.data_dir, password=self._keyring.server_password())
        return own, own.url

    def _seats(self) -> list[Seat]:
        seats = []
        for spec in self.settings.agents:
            given = self._classes.get(spec.agent_id)
            cls = given or resolve_class(spec, search=self.settings.base, base=Agent)
            path = spec.class_path if given is None else f"{given.__module__}:{given.__qualname__}"
            seats += [Seat(name, spec, cls, path, new_instance_id()) for name in spec.seats]
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
        serves = "service" in self.parts and self.settings.start_service
        if self._policy is not None or serves:
            # First, hence last to stop: it seals what the others still record. A process with gateways
            # alone has more urgent things to do: one with the registry may be first.
            children.append(Child("audit", self._sealer(first=serves).run))
        children += [
            Child("events", self.events.run),
            *self._operating(),
            Child("tombstones", self._registered().tombstones().run),
        ]
        if serves:
            about, in_flight = (self.redis, self.keys, self.events), self.settings.gateway.longest_in_flight
            monitor = HealthMonitor(*about, in_flight=in_flight, clock=self._clock)
            children.append(Child("registry", monitor.run))
        if self._policy is not None:
            children += [
                Child("policy", self._policy.keeper.run),
                Child("letters", self._archivist().run),
                Child("outsiders", self._registered().outsiders().run),
                Child("grants", self._registered().grants().run),
                Child("gateway", self._run_gateway),
            ]
        if self._tree is not None:
            children += [
                Child("roster", self._roster.run),
                Child("pulse", self._pulse.run),
                Child(DEFAULT, self._tree.supervisor),
            ]
        return children

    def _registered(self) -> Registered:
        about = (self.redis, self.subscriber, self.keys, self._keyring, self._tombstones, self.events)
        return Registered(*about, settings=self.settings, clock=self._clock)

    def _make_policy(self) -> SystemPolicy:
        def follow(settings: GatewaySettings) -> None:
            self._in_force = settings

        return SystemPolicy(
            self.redis,
            self.keys,
            self._keyring,
            self.settings,
            self.events,
            clock=self._clock,
            followed=follow,
        )

    def _sealer(self, *, first: bool) -> Sealer:
        about = (self.redis, self.keys, self._keyring, self.settings, self.events)
        return sealer_of(*about, clock=self._clock, url=self.endpoint, first=first)

    def _archivist(self) -> Archivist:
        about = (self.redis, self.keys, self.settings, lambda: self._in_force.dead_letters, self.events)
        return archivist_of(*about, clock=self._clock)

    def _agent_tree(self) -> AgentTree:
        gateway = self.settings.gateway
        self._roster = Roster(
            self.redis,
            self.keys,
            self._keyring,
            {seat.instance: seat.record() for seat in self.seats},
            lives=Lives(gateway.authentication.token_lifetime, gateway.longest_in_flight),
            events=self.events,
            apart=[seat.instance for seat in self.seats if seat.spec.process],
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
            largest=lambda: self._in_force.limits.max_envelope,
            fared=self._fared,
            alarm=self.events.alarm,
        )
        around = Surroundings(self.settings, self._roster, services, self.endpoint, self._log_setup)
        by_agent: dict[AgentId, list[Seat]] = {}
        for seat in self.seats:
            by_agent.setdefault(seat.spec.agent_id, []).append(seat)
        return AgentTree(self.settings.supervisors, by_agent, around)

    def _stop_seat(self, instance: InstanceId) -> None:
        """Let an agent that may not go on finish what it is at, and not start again by itself."""
        for seat in self.seats:
            if seat.instance == instance and seat.life is not None:
                seat.life.stop()

    def _operating(self) -> list[Child]:
        """Return what lets people see and steer the others."""
        about = (self.redis, self.subscriber, self.keys, self._keyring, self._bulletin, self.events)
        steering = steered(*about, name=self.name, root=lambda: self.root, quiet=self._quiet)
        return [*steering, *watched(self.settings, self._watchdog, self._sources)]

    def _sources(self) -> Sources:
        about = (self.name, tuple(sorted(self.parts)), self.settings, self.redis, self.keys, self._clock)
        return Sources(
            *about,
            root=lambda: self.root,
            reporter=self._reporter,
            decisions=self._decisions.decisions,
            pace=None if self._policy is None else self._pace,
            trusts=trusting(self._keyring, self.keys),
            max_unsealed=lambda: self._in_force.audit.max_unsealed,
            fared=self._fared if self.seats else None,
            watchdog=self._watchdog,
        )

    async def _quiet(self, path: str) -> None:
        if self._tree is not None and path in self._tree.seats:
            await self._tree.seats[path].quiet()

    def _hear(self, event: Event) -> None:
        self._reporter.hear(event)
        self._bulletin.changed()
        if isinstance(event, GaveUp) and self._tree is not None:
            for path, seat in self._tree.seats.items():
                if f"{path}/".startswith(f"{event.path}/"):
                    self._roster.dismiss(seat.instance)
        if self._on_event is not None:
            self._on_event(event)

    async def _run_gateway(self, *, task_status: TaskStatus[None]) -> None:
        async with open_redis(
            self._place, name="mas:gateway", scripts=SCRIPTS, blocking=BLOCK, **self._timeouts
        ) as reading:
            await warn_of_eviction(self.redis, self.events.alarm)
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
                counts=self._decisions,
                pace=self._pace,
            )
            await gateway.run(task_status=task_status)
