"""A `mas` in a process of its own, as a user starts it."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import redis

from mas.trust import Keyring

PATIENCE = 30.0
"""Seconds for anything to happen on a busy machine."""


def environ(**more):
    """Return our environment without what would change how MAS or Python behave."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAS_", "PYTHON"))}
    return {**kept, **more}


def command(*arguments):
    return [sys.executable, "-m", "mas", *map(str, arguments)]


def mas(*arguments, cwd, **env):
    """Run it to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environ(**env),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def embedded(directory):
    """Return a blocking client of the embedded server there, as whoever holds the secret opens it."""
    secret = (directory / ".mas/secret").read_bytes().strip()
    return redis.Redis(
        unix_socket_path=str(directory / ".mas/redis.sock"),
        password=Keyring(secret).server_password(),
        protocol=2,
    )


class Output:
    """The lines of one stream, as they come."""

    def __init__(self, stream):
        self.lines = []
        self._stream, self._news, self._ended = stream, threading.Condition(), False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __str__(self):
        return "".join(self.lines)

    def expect(self, text, *, times=1):
        """Wait until that many lines hold a text; return the last of them."""

        def found():
            return [line for line in self.lines if text in line]

        with self._news:
            self._news.wait_for(lambda: len(found()) >= times or self._ended, PATIENCE)
            assert len(found()) >= times, f"{text!r} did not come {times} times, but:\n{self}"
            return found()[times - 1]

    def close(self):
        self._thread.join(PATIENCE)
        self._stream.close()

    def _read(self):
        for line in self._stream:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


class Running:
    """A `mas` under way."""

    def __init__(self, process):
        self.process = process
        self.out, self.err = Output(process.stdout), Output(process.stderr)

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def ready(self):
        self.err.expect('"message": "ready"')
        return self

    def ended(self):
        """Wait for the end and return the exit code."""
        code = self.process.wait(PATIENCE)
        self.out.close()
        self.err.close()
        return code

    def stop(self):
        """Stop it as an operator would."""
        self.signal()
        return self.ended()


@contextmanager
def started(*arguments, cwd, program=None, **env):
    """Start it; whatever becomes of the test, the process ends with the block.

    :param program: start this instead, in the same way
    """
    process = subprocess.Popen(
        program or command(*arguments),
        cwd=cwd,
        env=environ(**env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running = Running(process)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            running.ended()


def write(directory: Path, **files: str) -> Path:
    """Write files into a directory: `agents` is agents.yaml, `code` is people.py."""
    names = {"agents": "agents.yaml", "gateway": "gateway.yaml", "code": "people.py"}
    for name, text in files.items():
        (directory / names[name]).write_text(text)
    return directory


def gone(pid):
    """Say whether no process has that id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
