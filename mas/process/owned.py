"""The owner's side of a process of our own."""

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import Process

from mas.environ import for_others
from mas.process.lines import Lines

_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)
_GRACE = 2.0
"""Seconds a process may take to end by itself once its owner lets go of it."""
_READ = 65_536
_AT_ONCE = 16
"""Reads before others of this process have their turn: it may write faster than it is heard."""


class Owned:
    """A process that runs; `open_owned` starts one."""

    def __init__(self, process: Process, reports: int, longest: int) -> None:
        self._process, self._reports, self._lines = process, reports, Lines(longest)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait until it has ended and return its exit status; below 0 the signal that ended it."""
        return await self._process.wait()

    def kill(self) -> None:
        """End it now; one that has ended already is left alone."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def say(self, line: bytes) -> None:
        """Write a line to it, without its end; to a process that is gone nothing is said."""
        assert self._process.stdin is not None  # noqa: S101 - it was opened with a pipe
        with suppress(*_BROKEN):
            await self._process.stdin.send(line + b"\n")

    async def hear(self) -> list[bytes] | None:
        """Wait for something to read and return the lines that are there; None once there will be no more.

        :raises ValueError: if a line is too long
        """
        await anyio.wait_readable(self._reports)
        return self.heard()

    def heard(self) -> list[bytes] | None:
        """Return the lines that are there, or the first of them, without waiting; None: there are no more.

        :raises ValueError: if a line is too long
        """
        lines: list[bytes] = []
        with suppress(BlockingIOError):
            for _ in range(_AT_ONCE):
                data = os.read(self._reports, _READ)
                if not data:
                    return lines or None
                lines += self._lines.take(data)
        return lines

    async def _end(self) -> None:
        """Let go of it; one that does not end by itself is killed."""
        process = self._process
        with anyio.move_on_after(_GRACE, shield=True):
            if process.stdin is not None:
                with suppress(*_BROKEN):
                    await process.stdin.aclose()
            await process.wait()
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                self.kill()
            await process.aclose()


@asynccontextmanager
async def open_owned(
    module: str, environ: Mapping[str, str] | None = None, *, longest: int
) -> AsyncGenerator[Owned]:
    """Start `python -m module OWNER LIFELINE REPORTS`, whose main is a `Serving`, and leave none behind.

    :param longest: bytes that a line of its reports may have
    :param environ: None for that of this process; what begins with `MAS_` is left out of either
    :raises OSError: if the system starts none
    """
    (lifeline, hold), (reports, reporting) = os.pipe(), os.pipe()
    os.set_blocking(reports, False)
    try:
        process = await anyio.open_process(
            [sys.executable, "-P", "-m", module, *map(str, (os.getpid(), lifeline, reporting))],
            stdin=subprocess.PIPE,
            # What it prints and logs goes where ours does.
            stdout=None,
            stderr=None,
            env=for_others(environ),
            # Ctrl-C in a terminal reaches the whole group: the process must outlive our drain.
            start_new_session=True,
            pass_fds=(lifeline, reporting),
        )
        os.close(reporting)
        os.close(lifeline)
        reporting = lifeline = -1
        owned = Owned(process, reports, longest)
        try:
            yield owned
        finally:
            await owned._end()  # noqa: SLF001 - nobody else may
    finally:
        for end in (lifeline, hold, reports, reporting):
            if end >= 0:
                os.close(end)
