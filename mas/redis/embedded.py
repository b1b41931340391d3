"""Run a Redis of our own, so that nothing needs to be installed or started first."""

import errno
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import anyio
from anyio.abc import Process, TaskStatus

from mas.environ import for_others
from mas.errors import ConfigurationError, RedisUnavailable
from mas.redis import guard
from mas.redis.binary import find_server
from mas.redis.datadir import locked, prepare, socket_path
from mas.redis.dial import dial
from mas.redis.endpoint import Endpoint
from mas.redis.exchange import BROKEN, Command, exchange

LOG: Final = "server.log"
_LOG_KEPT: Final = 1024 * 1024  # bytes; a longer log is set aside at the next start
_FIRST_LOOK: Final = 0.005  # seconds
_LONGEST_LOOK: Final = 0.1


class EmbeddedServer:
    """A Redis or Valkey server as a supervised child: unix socket, append-only file, nobody else's.

    The server runs under `guard`, which stops it however this process ends. Both share the lock on the data
    directory with us, so the next start waits until a dead owner's server has written its last.

    :param data_dir: where its data, log and lock lie; created if missing, readable by this user only
    :param password: what it asks everybody for; None: whatever runs as this user may do all
    :param stop_timeout: seconds the server has to write what it holds before it is killed
    """

    def __init__(
        self, data_dir: str | os.PathLike[str], *, password: str | None = None, stop_timeout: float = 10
    ) -> None:
        self.data_dir = Path(data_dir).absolute()
        self.socket = socket_path(self.data_dir)
        self.stop_timeout = stop_timeout
        self.endpoint = Endpoint(path=str(self.socket), password=password)

    @property
    def url(self) -> str:
        """Where it listens once ready; holds the password, as a client needs it."""
        password = self.endpoint.password
        user = "" if password is None else f":{quote(password, safe='')}@"
        return f"unix://{user}{quote(str(self.socket))}"

    def expect(self) -> None:
        """Look whether it runs, for who comes from another process: at once, not after a time-out.

        :raises RedisUnavailable: if nothing is there: it lives only as long as its system
        """
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            # A server that a power cut ended leaves its socket behind.
            if probe.connect_ex(str(self.socket)) in {errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED}:
                raise RedisUnavailable(
                    f"nothing runs here: no server listens at {self.socket}",
                    hint="start the system with mas run",
                )

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Run the server until cancelled; ready once it answers and has loaded its data.

        Stops it on the way out: SIGTERM, after `stop_timeout` SIGKILL.

        :raises ConfigurationError: if there is no server to run, or another process has the data directory
        :raises RedisUnavailable: if the server ends by itself
        """
        program = await anyio.to_thread.run_sync(find_server)
        prepare(self.data_dir, self.socket)
        async with locked(self.data_dir) as lock:
            await self._end_leftover()
            process = await self._start(program, lock)
            try:
                await self._tell_password(process)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._await_answer, task_status)
                    code = await process.wait()
                    tasks.cancel_scope.cancel()
            finally:
                await self._stop(process)
        raise RedisUnavailable(f"the embedded server ended by itself, status {code}: {self._last_words()}")

    async def _start(self, program: Path, lock: int) -> Process:
        log = self.data_dir / LOG
        if log.exists() and log.stat().st_size > _LOG_KEPT:
            log.replace(log.with_suffix(".log.1"))
        log.touch(mode=0o600)
        with log.open("ab") as sink:
            return await anyio.open_process(
                [
                    *(sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), str(self.stop_timeout)),
                    str(program),
                    *self._settings(),
                    # Its password comes over its standard input; see `guard`.
                    *([] if self.endpoint.password is None else ["-"]),
                ],
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=sink,
                cwd=self.data_dir,
                env=for_others(),
                # Ctrl-C in a terminal reaches the whole group: the server must outlive our drain.
                start_new_session=True,
                umask=0o077,
                pass_fds=(lock,),
            )

    async def _tell_password(self, process: Process) -> None:
        if self.endpoint.password is None or process.stdin is None:
            return
        escaped = "".join(f"\\x{byte:02x}" for byte in self.endpoint.password.encode())
        with suppress(*BROKEN):
            await process.stdin.send(f'requirepass "{escaped}"\n'.encode())

    def _settings(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data_dir),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [word for name, value in settings.items() for word in (f"--{name}", value)]

    async def _await_answer(self, task_status: TaskStatus[None]) -> None:
        pause = _FIRST_LOOK
        while await self._ask(("PING",)) != b"PONG":
            await anyio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_LOOK)
        task_status.started()

    async def _ask(self, command: Command) -> object:
        """Return one answer, or the exception that stands for it."""
        try:
            stream = await dial(self.endpoint)
        except OSError as error:
            return error
        try:
            password = self.endpoint.password
            # One left over from elsewhere may ask for none, and calls this an error.
            introduction = [] if password is None else [("AUTH", password)]
            return (await exchange(stream, *introduction, command))[-1]
        except BROKEN as error:
            return error
        finally:
            await anyio.aclose_forcefully(stream)

    async def _end_leftover(self) -> None:
        """End a server that outlived both its owner and its guard; we hold the lock, so it is nobody's."""
        with anyio.move_on_after(self.stop_timeout) as patience:
            while not isinstance(await self._ask(("PING",)), OSError):
                # Answers only by closing the connection, once it has written what it holds and exits.
                await self._ask(("SHUTDOWN", "NOSAVE"))
                await anyio.sleep(_FIRST_LOOK)
        if patience.cancelled_caught:
            raise ConfigurationError(f"a server left over in {self.data_dir} does not stop", hint="kill it")
        self.socket.unlink(missing_ok=True)

    async def _stop(self, process: Process) -> None:
        # The guard has stop_timeout for the server; a second more is for the guard itself.
        with anyio.move_on_after(self.stop_timeout + 1, shield=True):
            if process.stdin is not None:
                with suppress(*BROKEN):
                    await process.stdin.aclose()
            await process.wait()
        with anyio.move_on_after(1, shield=True):
            if process.returncode is None:
                # Where the system knows how, the server dies with its guard.
                process.kill()
            await process.aclose()

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = (self.data_dir / LOG).read_text(errors="replace").splitlines()
            return " | ".join(lines[-3:])
        return f"see {self.data_dir / LOG}"
