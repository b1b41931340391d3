"""Where seals go besides Redis, so that what happens to Redis does not happen to them.

The further away, the better: a file that is shipped off the machine, the log collector behind stdout, a
command that hands each seal to somebody else.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import anyio

from mas.audit.lines import SEALS, read_line
from mas.audit.seal import Sealed, sealed_of
from mas.environ import for_others
from mas.threads import in_thread

_LONGEST_LINE: Final = 4 * 1024 * 1024  # bytes
_PATIENCE: Final = 30.0  # seconds a command may take


class Sink(Protocol):
    """A place for seals. It is handed each of them at least once, in order."""

    def last(self) -> Sealed | None:
        """Return the seal written last, where the place can tell."""
        ...

    async def put(self, lines: Sequence[bytes]) -> None:
        """Write seals, one a line.

        :raises OSError: if that fails; they are handed in again later
        """
        ...


class FileSink:
    """A file of lines, set aside when it grows too long.

    :param size: bytes from which on the file is set aside, as `name.1`
    :param files: how many that were set aside are kept
    :param namespace: whose seals are handed in; those of other systems may lie in the same file
    """

    def __init__(self, path: Path, *, size: int, files: int, namespace: str = "") -> None:
        self._path, self._size, self._files, self._namespace = path, size, files, namespace

    def last(self) -> Sealed | None:
        """Return this system's seal in the last whole line that has one."""
        for path in (self._path, self._aside(1)):
            with suppress(OSError), path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _LONGEST_LINE))
                for line in reversed(file.read().splitlines(keepends=True)):
                    # One that a crash cut short may stand by itself, and even be the last.
                    with suppress(ValueError):
                        if (
                            line.endswith(b"\n")
                            and (link := _seal_in(line))
                            and link.seal.namespace == self._namespace
                        ):
                            return link
        return None

    async def put(self, lines: Sequence[bytes]) -> None:
        """Append the lines and see them on the disk."""
        await in_thread(self._put, b"".join(lines))

    def _put(self, lines: bytes) -> None:
        with suppress(FileNotFoundError):
            if self._path.stat().st_size >= self._size:
                self._set_aside()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab+") as file:
            if file.tell() and _last_byte(file.fileno(), file.tell()) != b"\n":
                # A line that a crash cut short stays by itself: the next one must not be joined to it.
                lines = b"\n" + lines
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())

    def _set_aside(self) -> None:
        for number in range(self._files, 1, -1):
            with suppress(FileNotFoundError):
                self._aside(number - 1).replace(self._aside(number))
        self._path.replace(self._aside(1))

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


class StdoutSink:
    """Standard output, for whoever collects it."""

    def last(self) -> None:
        """Return None: what was written is gone."""

    async def put(self, lines: Sequence[bytes]) -> None:
        """Write the lines at once."""
        await in_thread(self._put, b"".join(lines))

    @staticmethod
    def _put(lines: bytes) -> None:
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()


class CommandSink:
    """A command that reads seals from its standard input, one a line, and ends with status 0.

    :param command: the program and its arguments; no shell reads them
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)

    def last(self) -> None:
        """Return None: only the command knows."""

    async def put(self, lines: Sequence[bytes]) -> None:
        """Run the command once with these lines."""
        try:
            with anyio.fail_after(_PATIENCE):
                done = await anyio.run_process(
                    self._command,
                    input=b"".join(lines),
                    check=False,
                    stdout=subprocess.DEVNULL,
                    env=for_others(),
                )
        except TimeoutError as error:
            raise OSError(f"{self._command[0]} did not end within {_PATIENCE:g} s") from error
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip()[-200:]
            raise OSError(f"{self._command[0]} ended with status {done.returncode}: {words}")


def _seal_in(line: bytes) -> Sealed | None:
    trail, entry = read_line(line)
    return sealed_of(entry) if trail == SEALS else None


def _last_byte(descriptor: int, size: int) -> bytes:
    return os.pread(descriptor, 1, size - 1)
