"""`mas run`: a system, from its configuration until it is told to stop."""

import io
import sys
import time
from pathlib import Path
from typing import cast

import anyio
from anyio.abc import TaskStatus

from mas.cli.overrun import OverrunWatch
from mas.cli.signals import Signals, Word, caught
from mas.errors import ConfigurationError, MasError
from mas.log import logger
from mas.settings import Settings, load
from mas.system import ALL, Part, System, prepare

log = logger("mas")


def run_system(config: Path | None, only: tuple[str, ...], *, backend: str) -> None:
    """Run a system until a signal ends it.

    :param config: agents.yaml, or None to search for it
    :param only: the parts to run; none named are all of them
    :raises MasError: if it does not start, or fails in a way it cannot mend
    """
    parts = frozenset(cast("tuple[Part, ...]", only)) or ALL
    settings = load(config)
    _expect_work(settings, parts)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What agents print is for whoever watches, and may do so through a pipe.
        sys.stdout.reconfigure(line_buffering=True)
    watch = OverrunWatch()
    system = watch.system = prepare(
        settings, parts=parts, on_event=watch.hear, log_setup="mas.cli.logs:configure"
    )
    with caught() as signals:
        anyio.run(_serve, system, signals, config, backend=backend)
    log.info("stopped")


async def _serve(system: System, signals: Signals, config: Path | None) -> None:
    failure: MasError | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_obey, system, signals, config)
        try:
            await system.run(task_status=_Ready(system))
        except MasError as error:
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


class _Ready(TaskStatus[None]):
    """Says so when the system is."""

    def __init__(self, system: System) -> None:
        self._system, self._began = system, time.monotonic()

    def started(self, value: None = None) -> None:
        """Log what runs, and where."""
        del value
        system = self._system
        log.info(
            "ready",
            parts=", ".join(sorted(system.parts)),
            agents=len(system.seats),
            redis=system.redis.server_version,
            at=str(system.redis.endpoint),
            seconds=round(time.monotonic() - self._began, 3),
        )


async def _obey(system: System, signals: Signals, config: Path | None) -> None:
    """Do what signals ask for, for as long as the system runs."""
    async with anyio.create_task_group() as tasks:
        async for word in signals:
            match word:
                case Word.STOP:
                    grace = system.settings.shutdown_grace
                    log.info(
                        "stopping; what is under way may finish, a second signal cuts it short", grace=grace
                    )
                    tasks.start_soon(system.drain)
                case Word.STOP_NOW:
                    log.warning("stopping now; what was not finished stays pending")
                    system.root.shutdown(now=True)
                case Word.RELOAD:
                    await _reload(system, config)


async def _reload(system: System, config: Path | None) -> None:
    """Put the configuration as it is now in force, or keep what is."""
    try:
        newer = load(config)
        for warning in newer.warnings:
            log.warning(warning)
        reloaded = await system.reload(newer)
    except MasError as error:
        log.error("not reloaded; what was in force stays", problem=str(error))  # noqa: TRY400 - told plainly
        return
    off = ", ".join(newer.gateway.switched_off) or "nothing"
    log.info("permissions and gateway settings reloaded", changed=reloaded.changed, switched_off=off)
    if reloaded.waiting:
        log.warning(
            "other settings have changed too; they wait for a restart", keys=", ".join(reloaded.waiting)
        )


def _expect_work(settings: Settings, parts: frozenset[Part]) -> None:
    """Refuse to run what would do nothing."""
    if parts == {"agents"} and not settings.agents:
        raise ConfigurationError("there are no agents to run", where=_source(settings))
    if parts == {"service"} and not settings.start_service:
        raise ConfigurationError(
            "start_service is false: there is no service to run", where=_source(settings)
        )


def _source(settings: Settings) -> str:
    return str(settings.sources[0]) if settings.sources else ""
