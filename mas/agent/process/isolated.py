"""The owner's side of an instance's process: it looks like a `Life`, and is supervised like one."""

import os
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress

import anyio
import msgspec
from anyio.abc import TaskStatus

from mas.agent.fared import Fared
from mas.agent.process.counts import add
from mas.agent.process.ending import failure, kills_for_memory
from mas.agent.process.words import Counted, Crashed, Order, Quiet, Ready, Spec, encode, read_report
from mas.errors import ProcessFailed
from mas.process import Owned, open_owned
from mas.trust import Credential

_LONGEST = 1 << 20
"""Bytes of a report: a traceback is the longest."""


class Isolated:
    """Runs one instance of an agent once, in a process of its own; a restart is a new process.

    The process is given its own credential and its own way into Redis over a pipe, and none of the settings
    that its owner took from the environment. Whatever becomes of this side, SIGKILL included, the process
    ends.

    :param name: what it is called in errors
    :param spec: what it is given
    :param credential: what the spec says of it may grow old: a renewal reaches the process while it runs
    :param way_in: asked at every renewal for the URL of Redis as the process is to open it from then on
    :param fared: where to count how its handlers fare
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
        fared: Fared | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._name, self._spec, self._credential, self._environ = name, spec, credential, environ
        self._way_in, self._fared = way_in, fared or Fared()
        self._orders: deque[Order] = deque()
        self._news = anyio.Event()
        self._quiet: anyio.Event | None = None
        self._asked_to_stop = False
        self._crash: Crashed | None = None
        self._nonsense = ""
        self.pid = 0

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Live until asked to stop or cancelled; ready when the process says so.

        :raises ProcessFailed: if the process was killed, or its agent crashed
        """
        kills = kills_for_memory()
        with self._credential.watched(self._renew):
            try:
                async with open_owned("mas.agent.process", self._environ, longest=_LONGEST) as process:
                    self.pid = pid = process.pid
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(self._send, process)
                        tasks.start_soon(self._listen, process, task_status)
                        status = await process.wait()
                        tasks.cancel_scope.cancel()
                    # What it said last: a crash above all.
                    with suppress(ValueError):
                        self._take(process.heard() or [], anyio.TASK_STATUS_IGNORED)
            finally:
                self.pid = 0
                self._be_quiet()
        if self._nonsense:
            raise ProcessFailed(self._name, pid, f"reported what is no report: {self._nonsense}")
        killed = kills_for_memory() - kills
        error = failure(self._name, pid, status, self._crash, killed=killed)
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

    async def _send(self, process: Owned) -> None:
        """Pass on what it is to know and to do."""
        await process.say(encode(self._spec))
        while True:
            while self._orders:
                await process.say(encode(self._orders.popleft()))
            self._news = anyio.Event()
            await self._news.wait()

    async def _listen(self, process: Owned, task_status: TaskStatus[None]) -> None:
        try:
            while (lines := await process.hear()) is not None:
                self._take(lines, task_status)
        except ValueError as error:
            # The agent's own code has written there, or another process in its place.
            self._nonsense = str(error)
            process.kill()

    def _take(self, lines: list[bytes], task_status: TaskStatus[None]) -> None:
        for line in lines:
            match read_report(line):
                case Ready():
                    task_status.started()
                case Quiet():
                    self._be_quiet()
                case Crashed() as crash:
                    self._crash = crash
                case Counted() as news:
                    add(news, self._fared)

    def _be_quiet(self) -> None:
        if self._quiet is not None:
            self._quiet.set()
            self._quiet = None
