"""The guard alone, with `sleep` for a server."""

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path

import pytest

from mas.redis import guard
from tests.redis.waiting import lives, until


@contextmanager
def guarded(*command: str, owner: int | None = None):
    with subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__, str(owner or os.getpid()), "5", *command],
        stdin=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def forking_owner(source: str):
    """Run an owner that prints the process ids of its guard and of its own copy."""
    with subprocess.Popen([sys.executable, "-c", source, guard.__file__], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        watching, copy = map(int, owner.stdout.readline().split())
        try:
            yield owner, watching, copy
        finally:
            os.kill(copy, signal.SIGKILL)
            owner.kill()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_servers_own_end_is_the_guards():
    with guarded("sh", "-c", "exit 7") as process:
        assert process.wait(10) == 7
    with guarded("sh", "-c", "kill -9 $$") as process:
        assert process.wait(10) == 128 + signal.SIGKILL


@pytest.mark.parametrize("end", ["pipe", "signal", "kill"])
async def test_the_server_ends_with_whatever_holds_it(end):
    with guarded("sleep", "60") as process:
        assert process.stdin is not None
        await until(lambda: children(process.pid))
        [server] = children(process.pid)
        match end:
            case "pipe":
                process.stdin.close()
            case "signal":
                process.terminate()
            case _:
                process.kill()
        await until(lambda: not lives(server))


@pytest.mark.parametrize("line", [b"password\n", b"half a pass"])
def test_a_line_for_the_server_comes_over_the_pipe_and_without_it_none_starts(tmp_path, line):
    place = tmp_path / "told"
    with guarded("sh", "-c", f"cat > {place}; exit 7", "-") as process:
        assert process.stdin is not None
        process.stdin.write(line)
        process.stdin.flush()
        if not line.endswith(b"\n"):
            process.stdin.close()
            assert process.wait(10) == 1
            assert not place.exists()
        else:
            assert process.wait(10) == 7
            assert place.read_bytes() == line


async def test_ctrl_c_in_the_terminal_is_left_to_the_owner():
    with guarded("sleep", "60") as process:
        await until(lambda: children(process.pid))
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGHUP)
        process.terminate()
        assert process.wait(10) == 128 + signal.SIGTERM


async def test_a_forked_copy_of_the_owner_does_not_keep_the_server_alive():
    source = """
        import os, subprocess, sys, time
        guard = [sys.executable, "-I", "-S", sys.argv[1], str(os.getpid()), "5", "sleep", "60"]
        process = subprocess.Popen(guard, stdin=subprocess.PIPE)
        copy = os.fork()
        if copy:
            print(process.pid, copy, flush=True)
        time.sleep(60)
    """
    with forking_owner(textwrap.dedent(source)) as (owner, watching, copy):
        await until(lambda: children(watching))
        [server] = children(watching)
        owner.kill()
        await until(lambda: not lives(server))
        assert lives(copy)
