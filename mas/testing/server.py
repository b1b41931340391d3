"""A real Redis for a test: started in milliseconds, stopped, killed or suspended at will."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from mas.environ import for_others
from mas.errors import RedisUnavailable
from mas.redis import guard
from mas.redis.binary import find_server

_START: Final = 10.0  # seconds a server may take to answer
_GRACE: Final = 5.0  # seconds a server may take to stop


class Server:
    """One server, on a unix socket or a loopback port, in a directory of its own.

    It runs under the same guard as the embedded server: a test run that is killed leaves none behind.

    :param port: None for a unix socket, 0 for a free port
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        appendonly: Literal["yes", "no"] = "no",
        password: str | None = None,
        extra: Sequence[str] = (),
    ) -> None:
        self.directory, self.password, self.extra = directory, password, tuple(extra)
        self.appendonly = appendonly
        self.port = free_port() if port == 0 else port
        self.process: subprocess.Popen[bytes] | None = None
        self.pid = 0

    @property
    def url(self) -> str:
        """Where it listens; holds the password, as a client needs it."""
        user = f":{quote(self.password, safe='')}@" if self.password else ""
        if self.port is None:
            return f"unix://{user}{quote(str(self.directory / 'redis.sock'))}"
        return f"redis://{user}127.0.0.1:{self.port}/0"

    @property
    def data_dir(self) -> Path:
        """Where a system that uses this server may keep its own files; goes with the server."""
        return self.directory / "data"

    def client(self) -> "redis.Redis":
        """Return a blocking client for the test's own questions; the caller closes it."""
        return redis.Redis.from_url(
            self.url, protocol=2, client_name="mas:testing", retry=Retry(NoBackoff(), 0)
        )

    def start(self) -> None:
        """Start it, with its data if it ran in this directory before, and wait for its first answer.

        :raises RedisUnavailable: if it does not answer; the text ends with its log
        """
        settings = self.directory / "redis.conf"
        settings.touch(mode=0o600)
        # A file and not arguments: anybody can read those, and the password is among them.
        settings.write_text("\n".join(self._settings()) + "\n")
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own guard and a server from PATH
                [
                    *(sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), str(_GRACE)),
                    *(str(find_server()), str(settings), *self.extra),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=for_others(),
                start_new_session=True,
            )
        self.pid = self._await_answer(self.process)

    def stop(self) -> None:
        """Stop it as an operator would, by SIGTERM, and wait until it has gone."""
        self.resume()
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
        self._reap()

    def kill(self) -> None:
        """Take it away without a chance to write, by SIGKILL."""
        self._signal(signal.SIGKILL)
        self._reap()

    def suspend(self) -> None:
        """Leave its sockets open and answer nothing, as a half-open peer does."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `suspend`."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop it and start it again in the same directory."""
        self.stop()
        self.start()

    def _settings(self) -> Iterator[str]:
        if self.port is None:
            yield f'unixsocket "{self.directory / "redis.sock"}"'
        yield f"port {self.port or 0}"
        yield "bind 127.0.0.1"
        yield f'dir "{self.directory}"'
        yield f"appendonly {self.appendonly}"
        yield 'save ""'
        if self.password:
            yield f'requirepass "{self.password}"'

    def _await_answer(self, process: "subprocess.Popen[bytes]") -> int:
        deadline = time.monotonic() + _START
        with self.client() as client:
            while process.poll() is None and time.monotonic() < deadline:
                with suppress(RedisError):
                    client.ping()
                    return int(client.info("server")["process_id"])
                time.sleep(0.005)
        self._reap()
        log = (self.directory / "server.log").read_text(errors="replace")
        raise RedisUnavailable(f"the test server does not answer: {log[-2000:]}")

    def _signal(self, number: int) -> None:
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _reap(self) -> None:
        process, self.process, self.pid = self.process, None, 0
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            process.wait(_GRACE + 5)


@contextmanager
def redis_server(
    *,
    directory: Path | None = None,
    port: int | None = None,
    appendonly: Literal["yes", "no"] = "no",
    password: str | None = None,
    extra: Sequence[str] = (),
) -> Generator[Server]:
    """Run a server for the length of a block.

    :param directory: where it lives; a short temporary one if not given, since socket paths must be short
    :param port: None for a unix socket, 0 for a free loopback port
    :param extra: more arguments for the server, as in `("--maxclients", "10")`
    :raises ConfigurationError: if there is no server on this machine
    """
    own = Path(tempfile.mkdtemp(prefix="mas-test-")) if directory is None else directory
    server = Server(own, port=port, appendonly=appendonly, password=password, extra=extra)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        if directory is None:
            shutil.rmtree(own, ignore_errors=True)


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
