"""What other programs are started with: nothing of ours, in their environment or in their arguments."""

import os
import sys
from pathlib import Path

import anyio

from mas.audit.sink import CommandSink
from mas.environ import for_others
from mas.redis import EmbeddedServer, open_redis

CANARY = "CANARY-of-the-environment"


def test_a_child_sees_our_environment_without_what_is_ours():
    given = {"MAS_SECRET": CANARY, "MAS_SERVICE_REDIS_URL": CANARY, "PATH": "/bin", "XMAS_": "stays"}
    assert for_others(given) == {"PATH": "/bin", "XMAS_": "stays"}
    assert for_others() == {name: value for name, value in os.environ.items() if not name.startswith("MAS_")}


async def test_neither_the_embedded_server_nor_its_guard_is_given_the_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("MAS_SECRET", CANARY)
    server = EmbeddedServer(tmp_path / "data")
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.run)
        async with open_redis(server.url) as redis:
            pid = int((await redis.info("server"))["process_id"])
        # The guard hands on what it was given. The server may write its title over what can be seen of that.
        guard, itself = started_with(parent(pid)), started_with(pid)
        assert "PATH=" in guard
        assert CANARY not in guard + itself
        tasks.cancel_scope.cancel()


def started_with(pid):
    """Return a process's environment and arguments."""
    return "".join(Path(f"/proc/{pid}/{name}").read_text() for name in ("environ", "cmdline"))


def parent(pid):
    """Return the process that started another."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_a_command_that_takes_seals_is_not_given_the_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("MAS_SECRET", CANARY)
    seen = tmp_path / "seen"
    write = f"import os, pathlib; pathlib.Path({str(seen)!r}).write_text(str(dict(os.environ)))"
    await CommandSink([sys.executable, "-c", write]).put([b"a seal\n"])
    assert "PATH" in seen.read_text()
    assert CANARY not in seen.read_text()
