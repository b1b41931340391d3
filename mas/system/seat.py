"""One instance's place in the tree: what runs there, in this process or in one of its own."""

import logging
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, NamedTuple

import anyio
from anyio.abc import TaskStatus

from mas.agent import Agent, Life, Services
from mas.agent.process import Isolated, Spec
from mas.bus import HANDED_BACK
from mas.directory import AgentRecord
from mas.errors import ConfigurationError, EnrolmentRefused, MasError
from mas.ids import InstanceId, capability
from mas.registry import Roster
from mas.registry.credentials import OF_SENTINEL, url_of
from mas.settings import AgentSettings, RedisUrl, Settings, SupervisorSettings
from mas.supervision import Budget, Child, Declined, Restart
from mas.supervision.tree import brief
from mas.trust import Credential

_RESTARTS, _WITHIN = 5, 60.0


class Surroundings(NamedTuple):
    """What every seat of a process needs from the system around it.

    :param endpoint: where Redis is, password and all
    :param log_setup: see `prepare`
    """

    settings: Settings
    roster: Roster
    services: Services
    endpoint: str
    log_setup: str


class Seat:
    """Each start makes a new life, and the last one can be asked.

    :param path: where another process finds the class, as `module:name`
    """

    def __init__(
        self, name: str, spec: AgentSettings, cls: type[Agent[Any]], path: str, instance: InstanceId
    ) -> None:
        self.name, self.spec, self.instance = name, spec, instance
        self._cls, self._path = cls, path
        self.life: Life | Isolated | None = None
        if spec.process:
            self._expect_importable()

    @property
    def pid(self) -> int:
        """The id of its own process; 0 if it has none, or none now."""
        return self.life.pid if isinstance(self.life, Isolated) else 0

    @property
    def agent(self) -> Agent[Any]:
        """The agent of the last life.

        :raises MasError: if it runs in a process of its own, or was never started
        """
        if isinstance(self.life, Life):
            return self.life.agent
        where = "runs in a process of its own" if self.spec.process else "was never started"
        raise MasError(f"{self.name} {where}")

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
            capabilities = tuple(dict.fromkeys(map(capability, agent.capabilities)))
            return AgentRecord(self.spec.agent_id, capabilities, dict(agent.get_metadata()))

    def child(self, around: Surroundings, under: SupervisorSettings | None) -> Child:
        """Return what the supervisor is to run.

        :param under: the declared supervisor that keeps it; None for the one that is always there
        """

        async def run(*, task_status: TaskStatus[None]) -> None:
            try:
                credential = await around.roster.admit(self.instance)
                life = self.life = self._new_life(around, credential)
            except EnrolmentRefused as refusal:
                raise Declined(str(refusal)) from refusal
            try:
                await life.run(task_status=task_status)
            finally:
                if isinstance(life, Isolated):
                    # What it handed back at its end: its own Redis user may not tell the others of it.
                    ring = around.services.keys.ring(self.spec.agent_id)
                    around.services.redis.post("PUBLISH", ring, HANDED_BACK)

        spec = self.spec
        budget = _budget(spec, under)
        return Child(
            self.name,
            run,
            restart=Restart(spec.restart),
            start_timeout=spec.start_timeout,
            shutdown=spec.shutdown,
            budget=budget,
            # Those that go down together cannot do without one of them.
            significant=budget is not None and under is not None and under.strategy != "one_for_one",
            stop=self._ask("stop"),
            pause=self._ask("pause"),
            resume=self._ask("resume"),
        )

    async def quiet(self) -> None:
        """Return once no handler runs; after a pause."""
        if self.life is not None:
            await self.life.quiet()

    def _new_life(self, around: Surroundings, credential: Credential) -> Life | Isolated:
        if self.spec.process:
            spec = self._spec(around, credential)
            fared = around.services.fared
            return Isolated(self.name, spec, credential, lambda: self._way_in(around), fared=fared)
        return Life(self.make, lambda: credential, around.services, concurrency=self.spec.concurrency)

    def _spec(self, around: Surroundings, credential: Credential) -> Spec:
        settings = around.settings
        return Spec(
            agent_id=credential.agent_id,
            instance_id=credential.instance_id,
            token=credential.token,
            seal_key=credential.seal_key,
            class_path=self._path,
            init_kwargs=self.spec.init_kwargs,
            concurrency=self.spec.concurrency,
            redis_url=self._way_in(around),
            confined=around.roster.account(self.instance) is not None,
            allow_plaintext=around.settings.gateway.redis.allow_plaintext,
            response_timeout=settings.gateway.redis.response_timeout,
            connect_timeout=settings.gateway.redis.connect_timeout,
            namespace=settings.namespace,
            delivery=settings.gateway.delivery,
            max_envelope=around.services.largest(),
            base=str(settings.base),
            path=tuple(sys.path),
            backend=anyio.get_cancelled_exc_class().__module__.partition(".")[0],
            log_level=_log_level(),
            log_setup=around.log_setup,
            loop_alarm=settings.loop_alarm,
        )

    def _way_in(self, around: Surroundings) -> str:
        """Return the URL of Redis as a process of its own opens it: by its own account, if it has one."""
        account = around.roster.account(self.instance)
        if account is None:
            return around.endpoint
        # Without Sentinel's own password it would never find the master.
        return url_of(RedisUrl(around.endpoint), *account, keep=OF_SENTINEL).reveal()

    def _ask(self, order: str) -> Callable[[], None]:
        def ask() -> None:
            if self.life is not None:
                getattr(self.life, order)()

        return ask

    def _expect_importable(self) -> None:
        """Refuse a class that another process cannot find.

        :raises ConfigurationError: if it stands inside a function, or in the program itself
        """
        if "<locals>" in self._path or self._path.startswith("__main__:"):
            raise ConfigurationError(
                f"another process cannot import {self._path}",
                where=f"agent {self.spec.agent_id}, process",
                hint="put the class at the top of a module of its own",
            )

    @contextmanager
    def _telling(self, problem: str) -> Generator[None]:
        """Tell which agent it was whose own code raised."""
        try:
            yield
        except Exception as error:
            where = f"agent {self.spec.agent_id}, class_path {self.spec.class_path}"
            raise ConfigurationError(f"{problem}: {brief(error)}", where=where) from error


def _budget(spec: AgentSettings, under: SupervisorSettings | None) -> Budget | None:
    """Return the agent's own budget; None if its restarts count against its supervisor's."""
    if under is not None and spec.max_restarts is None and spec.within is None:
        return None
    return Budget(
        max_restarts=_RESTARTS if spec.max_restarts is None else spec.max_restarts,
        within=_WITHIN if spec.within is None else spec.within,
    )


def _log_level() -> str:
    """Return the name of the least level that is logged here."""
    level = logging.getLogger("mas").getEffectiveLevel()
    return logging.getLevelName(min(level // 10 * 10, logging.CRITICAL)).lower()
