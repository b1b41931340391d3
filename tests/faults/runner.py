"""Run some parts of a system in a process of its own: `python -m tests.faults.runner CONFIG PARTS BACKEND`.

Prints one line when it is ready, then serves until SIGTERM.
"""

import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, cast

import anyio
from anyio.abc import Process

from mas import open_system
from mas.system import Part
from tests.house import ROOT
from tests.world import ENVIRON


class Running:
    """A process that a scenario may kill, suspend or stop."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.pid = process.pid

    async def ready(self) -> None:
        """Wait until it says so."""
        assert self._process.stdout is not None
        with anyio.fail_after(20):
            assert (await self._process.stdout.receive()).startswith(b"ready")

    def signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def ended(self, *, within: float = 20) -> int:
        """Wait for its end; return its exit code."""
        with anyio.fail_after(within):
            return await self._process.wait()


@asynccontextmanager
async def process(config: dict[str, Any], parts: str, backend: str) -> AsyncGenerator[Running]:
    """Run parts of a system in another process, which does not outlive the block."""
    command = [sys.executable, "-m", "tests.faults.runner", json.dumps(config), parts, backend]
    environ = {**os.environ, **ENVIRON}
    async with await anyio.open_process(command, cwd=ROOT, env=environ, stdin=None, stderr=None) as started:
        running = Running(started)
        try:
            await running.ready()
            yield running
        finally:
            running.signal(signal.SIGCONT)
            running.signal(signal.SIGKILL)


async def _serve(config: dict[str, Any], parts: frozenset[Part]) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async with open_system(config, parts=parts):
            print("ready", flush=True)  # noqa: T201 - what the test waits for
            async for _ in signals:
                return


if __name__ == "__main__":
    _parts = cast("frozenset[Literal['gateway', 'service', 'agents']]", frozenset(sys.argv[2].split(",")))
    anyio.run(_serve, json.loads(sys.argv[1]), _parts, backend=sys.argv[3])
