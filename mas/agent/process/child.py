"""The side of the instance's own process: read what it is to be, live, and report."""

import importlib
import logging
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus

from mas.agent.agent import Agent
from mas.agent.life import Life
from mas.agent.process.counts import Counting
from mas.agent.process.words import (
    Crashed,
    Order,
    Quiet,
    Ready,
    Report,
    Spec,
    encode,
    read_order,
    read_spec,
)
from mas.agent.pulse import Pulse
from mas.agent.services import Services
from mas.agent.watchdog import Watchdog
from mas.bus import SCRIPTS, BareClaims, FencedClaims
from mas.clock import SYSTEM
from mas.keys import Keys
from mas.process import Serving
from mas.redis import Endpoint, open_redis, open_subscriber
from mas.settings import AgentSettings, resolve_class
from mas.trust import Credential

Renew = Callable[[Order], None]


def main(owner: int, lifeline: int, reports: int) -> int:
    """Live one life; return the process's exit status.

    :param owner: process id of who started this
    :param lifeline: the descriptor that closes when the owner dies
    :param reports: the descriptor to report on
    """
    serving = Serving(owner, lifeline, reports)
    child = _Child(serving)
    try:
        first = serving.first()
        if first is None:
            return 0
        spec = read_spec(first)
        _set_up_log(spec)
        anyio.run(child.live, spec, backend=spec.backend)
    except (Exception, SystemExit) as error:
        # The border of this process: whatever ended the life is told to the owner, which judges it.
        child.report(_crash(_alone(error)))
        return 1
    return 0


class _Child:
    """One life, the orders it gets and the reports it makes."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def report(self, report: Report) -> None:
        """Tell the owner."""
        self._serving.report(encode(report))

    async def live(self, spec: Spec) -> None:
        """Run the instance until its agent was stopped, or is wanted no more."""
        links: dict[str, Any] = {
            "response_timeout": spec.response_timeout,
            "connect_timeout": spec.connect_timeout,
        }
        place = _place(spec, spec.redis_url)
        held = Credential(spec.agent_id, spec.instance_id, spec.token, spec.seal_key)
        scripts = () if spec.confined else SCRIPTS
        async with (
            open_redis(place, name=f"mas:{spec.agent_id}", scripts=scripts, **links) as redis,
            open_subscriber(place, name=f"mas:{spec.agent_id}:rings", **links) as subscriber,
            anyio.create_task_group() as tasks,
        ):
            pulse, counting = Pulse(SYSTEM), Counting(self._serving.offer)
            pulse.join(counting)
            await tasks.start(pulse.run)
            if spec.loop_alarm:
                await tasks.start(Watchdog(spec.loop_alarm).run)
            keys = Keys(spec.namespace)
            services = Services(
                redis,
                subscriber,
                keys,
                pulse,
                spec.delivery,
                SYSTEM,
                keys.ingress_of(spec.agent_id) if spec.confined else keys.ingress,
                BareClaims if spec.confined else FencedClaims,
                lambda: spec.max_envelope,
                counting.fared,
            )
            make = partial(_class_of(spec), spec.agent_id, **spec.init_kwargs)
            life = Life(make, lambda: held, services, concurrency=spec.concurrency)

            def renew(order: Order) -> None:
                held.replace(Credential(held.agent_id, held.instance_id, order.token, held.seal_key))
                # The connections stay; their next one is opened with the new password.
                redis.endpoint = subscriber.endpoint = _place(spec, order.redis_url)

            tasks.start_soon(self._obey, life, renew, tasks.cancel_scope)
            try:
                await life.run(task_status=_Readiness(self))
            finally:
                counting.tell()
            tasks.cancel_scope.cancel()

    async def _obey(self, life: Life, renew: Renew, scope: anyio.CancelScope) -> None:
        """Do what the owner wants, until it wants nothing any more."""
        async with anyio.create_task_group() as tasks:
            async for line in self._serving.lines():
                self._do(read_order(line), life, renew, tasks)
            scope.cancel()

    def _do(self, order: Order, life: Life, renew: Renew, tasks: TaskGroup) -> None:
        match order.do:
            case "stop":
                life.stop()
            case "pause":
                life.pause()
            case "resume":
                life.resume()
            case "renew":
                renew(order)
            case "quiet":
                tasks.start_soon(self._tell_quiet, life)

    async def _tell_quiet(self, life: Life) -> None:
        await life.quiet()
        self.report(Quiet())


class _Readiness(TaskStatus[None]):
    """Says so to the owner when the life is ready."""

    def __init__(self, child: _Child) -> None:
        self._child = child

    def started(self, value: None = None) -> None:
        """Report."""
        del value
        self._child.report(Ready())


def _place(spec: Spec, url: str) -> Endpoint:
    return Endpoint.parse(url, allow_plaintext=spec.allow_plaintext)


def _set_up_log(spec: Spec) -> None:
    if spec.log_setup:
        module, _, function = spec.log_setup.partition(":")
        getattr(importlib.import_module(module), function)(spec.log_level)
    else:
        logging.basicConfig(
            level=spec.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
        )


def _class_of(spec: Spec) -> type[Agent[Any]]:
    sys.path[:] = [*spec.path, *(place for place in sys.path if place not in spec.path)]
    named = AgentSettings(agent_id=spec.agent_id, class_path=spec.class_path)
    return resolve_class(named, search=Path(spec.base), base=Agent)


def _alone(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _crash(error: BaseException) -> Crashed:
    return Crashed(
        f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error, chain=True)).rstrip()
    )
