"""The owner's side of an instance's process: it looks like a `Life`, and is supervised like one."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import anyio
import msgspec
from anyio.abc import Process, TaskStatus

from mas.agent.process.ending import failure, kills_for_memory
from mas.agent.process.words import Crashed, Lines, Order, Quiet, Ready, Spec, encode, read_report
from mas.environ import for_others
from mas.trust import Credential

_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)
_GRACE = 2.0
"""Seconds a process may take to end by itself once its owner lets go of it."""
_READ = 65_536


class Isolated:
    """Runs one instance of an agent once, in a process of its own; a restart is a new process.

    The process is given its own credential and its own way into Redis over a pipe, and none of the settings
    that its owner took from the environment. Whatever becomes of this side, SIGKILL included, the process
    ends.

    :param name: what it is called in errors
    :param spec: what it is given
    :param credential: what the spec says of it may grow old: a renewal reaches the process while it runs
    :param way_in: asked at every renewal for the URL of Redis as the process is to open it from then on
    :param environ: its environment, but for what begins with `MAS_`
    :ivar pid: its process id; 0 while there is none
    """

    def __init__(
        self,
        name: str,
        spec: Spec,
        credential: Credential,
        way_in: Callable[[], str],
        *,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._name, self._spec, self._credential, self._environ = name, spec, credential, environ
        self._way_in = way_in
        self._orders: deque[Order] = deque()
        self._news = anyio.Event()
        self._quiet: anyio.Event | None = None
        self._asked_to_stop = False
        self._crash: Crashed | None = None
        self.pid = 0

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Live until asked to stop or cancelled; ready when the process says so.

        :raises ProcessFailed: if the process was killed, or its agent crashed
        """
        kills = kills_for_memory()
        with self._credential.watched(self._renew):
            async with self._process() as (process, reports):
                self.pid = process.pid
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._send, process)
                    tasks.start_soon(self._listen, reports, task_status)
                    status = await process.wait()
                    tasks.cancel_scope.cancel()
                self._read(reports, Lines(), anyio.TASK_STATUS_IGNORED)
        killed = kills_for_memory() - kills
        error = failure(self._name, process.pid, status, self._crash, killed=killed)
        if error is not None and not (self._asked_to_stop and status == 0):
            raise error

    def stop(self) -> None:
        """Ask it to stop: start nothing more, finish what is under way."""
        self._asked_to_stop = True
        self._order("stop")

    def pause(self) -> None:
        """Start no more handlers until `resume`."""
        self._order("pause")

    def resume(self) -> None:
        """Go on after a pause."""
        self._order("resume")

    async def quiet(self) -> None:
        """Return once no handler runs; after a `pause`. The end of the process is quiet, too."""
        if not self.pid:
            return
        self._quiet = self._quiet or anyio.Event()
        self._order("quiet")
        await self._quiet.wait()

    def _renew(self) -> None:
        self._order("renew", token=self._credential.token, redis_url=self._way_in())

    def _order(self, do: str, **what: bytes | str) -> None:
        self._orders.append(msgspec.convert({"do": do, **what}, Order))
        self._news.set()

    @asynccontextmanager
    async def _process(self) -> AsyncGenerator[tuple[Process, int]]:
        """Start the process, and leave none behind."""
        (lifeline, hold), (reports, reporting) = os.pipe(), os.pipe()
        os.set_blocking(reports, False)
        try:
            process = await anyio.open_process(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "mas.agent.process",
                    *map(str, (os.getpid(), lifeline, reporting)),
                ],
                stdin=subprocess.PIPE,
                # What its agent prints and logs goes where ours does.
                stdout=None,
                stderr=None,
                env=for_others(self._environ),
                # Ctrl-C in a terminal reaches the whole group: the process must outlive our drain.
                start_new_session=True,
                pass_fds=(lifeline, reporting),
            )
            os.close(reporting)
            os.close(lifeline)
            reporting = lifeline = -1
            try:
                yield process, reports
            finally:
                await self._end(process)
        finally:
            self.pid = 0
            if self._quiet is not None:
                self._quiet.set()
            for end in (lifeline, hold, reports, reporting):
                if end >= 0:
                    os.close(end)

    async def _end(self, process: Process) -> None:
        """Let go of the process; one that does not end by itself is killed."""
        with anyio.move_on_after(_GRACE, shield=True):
            if process.stdin is not None:
                with suppress(*_BROKEN):
                    await process.stdin.aclose()
            await process.wait()
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.aclose()

    async def _send(self, process: Process) -> None:
        """Pass on what it is to know and to do; a process that is gone is told nothing."""
        assert process.stdin is not None  # noqa: S101 - it was opened with a pipe
        with suppress(*_BROKEN):
            await process.stdin.send(encode(self._spec) + b"\n")
            while True:
                while self._orders:
                    await process.stdin.send(encode(self._orders.popleft()) + b"\n")
                self._news = anyio.Event()
                await self._news.wait()

    async def _listen(self, reports: int, task_status: TaskStatus[None]) -> None:
        lines = Lines()
        while True:
            await anyio.wait_readable(reports)
            if not self._read(reports, lines, task_status):
                return

    def _read(self, reports: int, lines: Lines, task_status: TaskStatus[None]) -> bool:
        """Take what is there; False once there will be no more."""
        with suppress(BlockingIOError):
            data = os.read(reports, _READ)
            for line in lines.take(data):
                match read_report(line):
                    case Ready():
                        task_status.started()
                    case Quiet():
                        if self._quiet is not None:
                            self._quiet.set()
                            self._quiet = None
                    case Crashed() as crash:
                        self._crash = crash
            return bool(data)
        return True
