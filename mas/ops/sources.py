"""Where the pages get what they say: from the parts that count, and from Redis, at most once a second."""

import os
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import anyio
from redis.exceptions import ResponseError

from mas.agent import Fared
from mas.agent.watchdog import Watchdog
from mas.clock import Clock
from mas.decision import Decision
from mas.errors import RedisUnavailable
from mas.gateway import Pace
from mas.ids import AgentId
from mas.keys import Keys
from mas.ops.stored import look
from mas.ops.vitals import Gate, Stored, Vitals
from mas.redis import Redis
from mas.registry import Reporter
from mas.settings import Settings
from mas.supervision import Supervisor

_FRESH: Final = 1.0
"""Seconds for which what Redis said serves whoever asks, at the least."""
_STALE: Final = 5.0
"""The same at the most."""
_SHARE: Final = 0.01
"""Of its time that looking may cost Redis, which does nothing else meanwhile."""
_PATIENCE: Final = 1.0
"""Seconds that Redis has to answer."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a system lets its pages see.

    :param decisions: how often the gateway of this process made each
    :param pace: None: no gateway runs here
    :param trusts: says of what stands in the policy's place whether the deployment's secret wrote it
    :param fared: how handlers fared; None: no agents run here
    :param max_unsealed: in force
    :param watchdog: None: nobody watches the event loop
    """

    runner: str
    parts: tuple[str, ...]
    settings: Settings
    redis: Redis
    keys: Keys
    clock: Clock
    _: KW_ONLY
    root: Callable[[], Supervisor]
    reporter: Reporter
    decisions: Mapping[Decision, int]
    pace: Pace | None
    trusts: Callable[[bytes], bool]
    max_unsealed: Callable[[], int]
    fared: Fared | None
    watchdog: Watchdog | None

    @property
    def configured(self) -> tuple[AgentId, ...]:
        """The agents of the configuration."""
        return tuple(agent.agent_id for agent in self.settings.agents)


class Observer:
    """Looks when asked; whoever asks again within a second or so gets the same answer of Redis."""

    def __init__(self, sources: Sources) -> None:
        self._sources, self._version = sources, _installed()
        self._asking = anyio.Lock()
        self._good_until = float("-inf")
        self._answer: tuple[Stored | None, str] = None, ""
        self._judged: tuple[bytes, bool] | None = None
        """A version of the policy, and whether that was one to trust."""

    async def vitals(self) -> Vitals:
        """Return what is known now; without Redis, what this process knows."""
        stored, trouble = await self._stored()
        of, counts = self._sources, self._sources.reporter.counts
        gate = None
        if of.pace is not None:
            turned = of.pace.turned
            silent = None if turned is None else of.clock.monotonic() - turned
            gate = Gate(of.decisions, of.pace, silent, of.max_unsealed())
        return Vitals(
            runner=of.runner,
            pid=os.getpid(),
            version=self._version,
            parts=of.parts,
            at=of.clock.wall(),
            now=of.clock.monotonic(),
            tree=of.root().tree(),
            seats={path: agent for path, (agent, _) in of.reporter.agents.items()},
            failures=counts.failures,
            restarts=counts.restarts,
            given_up=counts.given_up.total(),
            escalations=counts.escalations.total(),
            overruns=counts.overruns.total(),
            redis=of.redis.endpoint.address,
            connects=of.redis.generation,
            stored=stored,
            trouble=trouble,
            trusted=None if stored is None or self._judged is None else self._judged[1],
            gate=gate,
            fared=of.fared,
            lag=None if of.watchdog is None else of.watchdog.lag,
            longest_lag=None if of.watchdog is None else of.watchdog.longest_lag,
        )

    async def _stored(self) -> tuple[Stored | None, str]:
        async with self._asking:
            began = self._sources.clock.monotonic()
            if began >= self._good_until:
                self._answer = await self._ask()
                ended = self._sources.clock.monotonic()
                # An answer that did not come says nothing of what one costs.
                rest = 0.0 if self._answer[0] is None else (ended - began) / _SHARE
                self._good_until = ended + min(_STALE, max(_FRESH, rest))
            return self._answer

    async def _ask(self) -> tuple[Stored | None, str]:
        redis = self._sources.redis
        if not redis.online:
            return None, redis.trouble
        try:
            with anyio.fail_after(_PATIENCE):
                stored = await look(redis, self._sources.keys, self._sources.configured)
                await self._judge(stored.policy)
                return stored, ""
        except TimeoutError:
            return None, f"{redis.endpoint.address} has not answered for {_PATIENCE:g} s"
        except (RedisUnavailable, ResponseError) as error:
            return None, str(error)

    async def _judge(self, version: bytes) -> None:
        """Find out whether the policy can be trusted, where a gateway depends on it and it is another one."""
        of = self._sources
        if of.pace is not None and (self._judged is None or self._judged[0] != version):
            text = await of.redis.call("GET", of.keys.policy)
            self._judged = version, text is not None and of.trusts(text)


def _installed() -> str:
    try:
        return version("mas-runtime")
    except PackageNotFoundError:
        return "unknown"
