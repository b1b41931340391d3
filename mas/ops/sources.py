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
from mas.registry import Counts
from mas.supervision import Supervisor

_FRESH: Final = 1.0
"""Seconds for which what Redis said serves whoever asks."""
_PATIENCE: Final = 1.0
"""Seconds that Redis has to answer."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a system lets its pages see.

    :param configured: the agents of the configuration
    :param decisions: how often the gateway of this process made each
    :param pace: None: no gateway runs here
    :param fared: how handlers fared; None: no agents run here
    :param max_unsealed: in force
    :param watchdog: None: nobody watches the event loop
    """

    runner: str
    parts: tuple[str, ...]
    configured: tuple[AgentId, ...]
    redis: Redis
    keys: Keys
    clock: Clock
    _: KW_ONLY
    root: Callable[[], Supervisor]
    counts: Counts
    decisions: Mapping[Decision, int]
    pace: Pace | None
    max_unsealed: Callable[[], int]
    fared: Fared | None
    watchdog: Watchdog | None


class Observer:
    """Looks when asked; whoever asks again within a second gets the same answer of Redis."""

    def __init__(self, sources: Sources) -> None:
        self._sources, self._version = sources, _installed()
        self._asking = anyio.Lock()
        self._asked = float("-inf")
        self._answer: tuple[Stored | None, str] = None, ""

    async def vitals(self) -> Vitals:
        """Return what is known now; without Redis, what this process knows."""
        stored, trouble = await self._stored()
        of = self._sources
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
            failures=of.counts.failures,
            restarts=of.counts.restarts,
            given_up=of.counts.given_up.total(),
            escalations=of.counts.escalations.total(),
            overruns=of.counts.overruns.total(),
            redis=of.redis.endpoint.address,
            connects=of.redis.generation,
            stored=stored,
            trouble=trouble,
            gate=gate,
            fared=of.fared,
            lag=None if of.watchdog is None else of.watchdog.lag,
            longest_lag=None if of.watchdog is None else of.watchdog.longest_lag,
        )

    async def _stored(self) -> tuple[Stored | None, str]:
        async with self._asking:
            if self._sources.clock.monotonic() - self._asked >= _FRESH:
                self._answer = await self._ask()
                self._asked = self._sources.clock.monotonic()
            return self._answer

    async def _ask(self) -> tuple[Stored | None, str]:
        redis = self._sources.redis
        if not redis.online:
            return None, redis.trouble
        try:
            with anyio.fail_after(_PATIENCE):
                return await look(redis, self._sources.keys, self._sources.configured), ""
        except TimeoutError:
            return None, f"{redis.endpoint.address} has not answered for {_PATIENCE:g} s"
        except (RedisUnavailable, ResponseError) as error:
            return None, str(error)


def _installed() -> str:
    try:
        return version("mas-runtime")
    except PackageNotFoundError:
        return "unknown"
