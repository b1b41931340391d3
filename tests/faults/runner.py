"""Run parts of a system in a process of its own: `python -m tests.faults.runner CONFIG PARTS BACKEND HOW`.

HOW is `plain`, or `eager`: a gateway then looks every 20 ms for others to take over from, and its own name
is lost in a moment. Waits for a line, prints one when it is ready, then serves until SIGTERM. A process that
waits has paid for its imports already, so that a scenario of many restarts does not wait for each.
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
from mas.gateway import lease, service
from mas.system import Part
from tests.house import ROOT
from tests.world import ENVIRON


class Running:
    """A process that a scenario may kill, suspend or stop."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.pid = process.pid

    async def go(self) -> None:
        """Let it start, and wait until it is ready."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with anyio.fail_after(20):
            await self._process.stdin.send(b"go\n")
            assert (await self._process.stdout.receive()).startswith(b"ready")

    def signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def suspend(self) -> None:
        """Let it stand still."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `suspend`."""
        self.signal(signal.SIGCONT)

    async def ended(self, *, within: float = 20) -> int:
        """Wait for its end; return its exit code."""
        with anyio.fail_after(within):
            return await self._process.wait()


@asynccontextmanager
async def process(
    config: dict[str, Any], parts: str, backend: str, *, waiting: bool = False, eager: bool = False
) -> AsyncGenerator[Running]:
    """Run parts of a system in another process, which does not outlive the block.

    :param waiting: leave it to the block to let it start
    :param eager: see the module
    """
    how = "eager" if eager else "plain"
    command = [sys.executable, "-m", "tests.faults.runner", json.dumps(config), parts, backend, how]
    environ = {**os.environ, **ENVIRON}
    async with await anyio.open_process(command, cwd=ROOT, env=environ, stderr=None) as started:
        running = Running(started)
        try:
            if not waiting:
                await running.go()
            yield running
        finally:
            running.signal(signal.SIGCONT)
            running.signal(signal.SIGKILL)


async def _serve(config: dict[str, Any], parts: frozenset[Part]) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async with open_system(config, parts=parts):
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            async for _ in signals:
                return


def _take_over_at_once() -> None:
    lease.LEASE, lease.RENEWAL = 0.6, 0.1
    vars(service)["INTERVAL"] = 0.02


if __name__ == "__main__":
    if sys.argv[4] == "eager":
        _take_over_at_once()
    sys.stdin.readline()
    _parts = cast("frozenset[Literal['gateway', 'service', 'agents']]", frozenset(sys.argv[2].split(",")))
    anyio.run(_serve, json.loads(sys.argv[1]), _parts, backend=sys.argv[3])
