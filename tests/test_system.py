"""A system inside somebody else's app: what it leaves behind is nothing."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest

from mas import Agent, ConfigurationError, RedisUnavailable, StopOverrun, open_system
from tests.redis.waiting import until
from tests.world import ENVIRON, asking, deployment, running


class Echo(Agent[dict[str, Any]]):
    @Agent.on("ask")
    async def asked(self, message, payload):
        await message.reply("answer", message.data)


class Slow(Echo):
    @Agent.on("forever")
    async def forever(self, message, payload):
        await anyio.sleep_forever()


def children() -> set[int]:
    """Return the pids of all live children of this process."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent, *_ = path.read_text().rpartition(")")[2].split()
            if int(parent) == os.getpid() and state != "Z":
                found.add(int(path.parent.name))
    return found


def tasks() -> int:
    """Count the tasks of this event loop."""
    return len(anyio.get_running_tasks())


def descriptors() -> int:
    """Count the files and sockets this process holds open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def connections(redis_url: str) -> int:
    with asking(redis_url) as client:
        return sum(each["name"] != "mas:testing" for each in client.client_list())


@pytest.fixture
async def nothing_left(redis_url):
    """Fail if a task, a child process, a descriptor or a connection is more than before."""
    before = tasks(), children(), descriptors()
    yield
    await anyio.wait_all_tasks_blocked()
    await until(lambda: connections(redis_url) == 0)
    assert tasks() <= before[0]
    assert children() == before[1]
    await until(lambda: descriptors() <= before[2])


async def test_messages_are_exchanged_and_nothing_is_left(redis_url, nothing_left):
    async with running(redis_url, a=Echo, b=Echo) as system:
        for n in range(10):
            assert (await system.agent("a").request("b", "ask", n, timeout=5)).data == n
        assert connections(redis_url) >= 3


async def test_without_a_redis_an_embedded_one_runs_for_the_length_of_the_block(
    redis_url, nothing_left, tmp_path
):
    config = {**deployment("", a=Echo, b=Echo), "data_dir": str(tmp_path / "data")}
    del config["service_redis_url"]
    before = children()
    for _ in range(2):
        async with open_system(config, environ=ENVIRON) as system:
            assert (await system.agent("a").request("b", "ask", 1, timeout=5)).data == 1
            assert len(children() - before) == 1
        assert children() == before


@pytest.mark.parametrize(
    "error",
    [
        ValueError("mine"),
        KeyboardInterrupt(),
        SystemExit(3),
        ExceptionGroup("mine", [ValueError("one")]),
        ExceptionGroup("mine", [ValueError("one"), KeyError("two")]),
        ConfigurationError("mine"),
    ],
    ids=repr,
)
async def test_what_the_block_raises_arrives_as_it_was_raised(redis_url, nothing_left, error):
    async def app():
        async with running(redis_url, a=Echo, b=Echo) as system:
            await system.agent("a").request("b", "ask", 1, timeout=5)
            raise error

    with pytest.raises(type(error)) as caught:
        await app()
    assert caught.value is error


async def test_a_cancelled_block_leaves_nothing(redis_url, nothing_left):
    with anyio.CancelScope() as scope:
        async with running(redis_url, a=Echo, b=Echo) as system:
            await system.agent("a").request("b", "ask", 1, timeout=5)
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught


async def test_a_start_that_is_cancelled_leaves_nothing(redis_url, nothing_left):
    for patience in (0.0, 0.002, 0.005, 0.01, 0.02, 0.05):
        with anyio.move_on_after(patience):
            async with running(redis_url, a=Echo, b=Echo):
                await anyio.sleep_forever()


async def test_a_handler_that_never_ends_is_cut_off_and_its_message_stays_pending(redis_url, nothing_left):
    spec = {"class_path": Slow, "shutdown": 0.1}
    with asking(redis_url) as client:
        async with running(redis_url, a=Echo, b=spec) as system:
            await system.agent("a").send("b", "forever", 1)
            await until(lambda: client.xlen("agent.stream:b") == 1)
            await until(lambda: client.xpending("agent.stream:b", "agents")["pending"] == 1)
        assert client.xpending("agent.stream:b", "agents")["pending"] == 1


async def test_a_block_stays_open_while_an_agent_ignores_its_cancellation_and_says_why(
    redis_url, nothing_left, caplog
):
    release, left = anyio.Event(), anyio.Event()

    class Deaf(Echo):
        async def on_start(self):
            with anyio.CancelScope(shield=True):
                await release.wait()

    async def app():
        with pytest.raises(StopOverrun, match=r"agents/deaf ignored its cancellation for 5(\.\d+)? s"):
            async with running(redis_url, a=Echo, deaf={"class_path": Deaf, "shutdown": 0.1}):
                pass
        left.set()

    def named():
        return [record for record in caplog.records if "agents/deaf overrun" in record.getMessage()]

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app)
        await until(named, within=20)
        assert [record.levelname for record in named()] == ["CRITICAL"]
        assert not left.is_set()
        release.set()


class Fails(Echo):
    def __init__(self, agent_id):
        super().__init__(agent_id)
        raise OSError("cannot be made")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"service_redis_url": "redis://127.0.0.1:1"}, RedisUnavailable),
        ({"service_redis_url": "unix:///nowhere/redis.sock"}, RedisUnavailable),
        ({"agents": [{"agent_id": "a", "class_path": "no.such:Thing"}]}, ConfigurationError),
        ({"agents": [{"agent_id": "a", "class_path": "os:getcwd"}]}, ConfigurationError),
        ({"agents": [{"agent_id": "a:b", "class_path": Echo}]}, ConfigurationError),
        ({"agents": [{"agent_id": "mas.gateway", "class_path": Echo}]}, ConfigurationError),
        ({"agents": [{"agent_id": "a", "class_path": Fails}]}, ConfigurationError),
        ({"agents": [{"agent_id": "a", "class_path": Echo, "init_kwargs": {"x": 1}}]}, ConfigurationError),
        (
            {"agents": [{"agent_id": "a", "class_path": Echo, "init_kwargs": {"agent_id": "b"}}]},
            ConfigurationError,
        ),
        ({"start_gateway": False}, ConfigurationError),
        ({"unheard_of": 1}, ConfigurationError),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_start_that_fails_says_why_and_leaves_nothing(redis_url, nothing_left, change, error):
    quick = {"redis": {"connect_timeout": 0.3}}
    config = {**deployment(redis_url, gateway=quick, a=Echo, b=Echo), "permissions": [], **change}
    with anyio.fail_after(10), pytest.raises(error):
        async with open_system(config, environ=ENVIRON):
            pytest.fail("it started")


async def test_a_redis_that_dies_under_an_embedding_app_is_started_again(redis_url, nothing_left, tmp_path):
    config = {**deployment("", a=Echo, b=Echo), "data_dir": str(tmp_path / "data")}
    del config["service_redis_url"]
    async with open_system(config, environ=ENVIRON) as system:
        a = system.agent("a")
        assert (await a.request("b", "ask", 1, timeout=5)).data == 1
        info = await system.redis.call("INFO", "server")
        pid = int(info.split(b"process_id:")[1].split()[0])
        os.kill(pid, signal.SIGKILL)
        await a.send("b", "ask", 2)
        with anyio.fail_after(20):
            assert (await a.request("b", "ask", 3, timeout=15)).data == 3


async def test_two_systems_in_one_redis_are_kept_apart_by_their_namespace(redis_url, nothing_left):
    first = {**deployment(redis_url, a=Echo, b=Echo), "namespace": "one"}
    second = {**deployment(redis_url, a=Echo, b=Echo), "namespace": "two"}
    async with (
        open_system(first, environ=ENVIRON) as one,
        open_system(second, environ={"MAS_SECRET": "another secret, long enough"}) as two,
    ):
        for system in (one, two):
            assert (await system.agent("a").request("b", "ask", 1, timeout=5)).data == 1
    with asking(redis_url) as client:
        assert all(key.startswith((b"one:", b"two:")) for key in client.scan_iter())
