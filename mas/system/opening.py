"""Make a system from a configuration, and run it for the length of a block."""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from os import environ as process_environ
from pathlib import Path
from typing import Any

import anyio

from mas.agent import Agent
from mas.clock import SYSTEM, Clock
from mas.settings import Settings, deployment_secret, load
from mas.supervision import Event, told_plainly
from mas.system.assembly import ALL, Part, System

log = logging.getLogger(__name__)

Config = str | Path | Mapping[str, Any] | Settings | None


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
    with told_plainly() as raised:
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
    log_setup: str = "",
) -> System:
    """Return a system that is ready to run; the parameters and errors are those of `open_system`.

    :param log_setup: `module:function` that sets up the log in the agents' own processes, given its level;
        "" for plain lines on stderr
    """
    config, classes = _split_classes(config)
    settings = load(config, environ=environ)
    for warning in settings.warnings:
        log.warning("%s", warning)
    secret = deployment_secret(settings, environ)
    return System(settings, parts, secret.encode(), clock, classes, on_event, log_setup)


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
