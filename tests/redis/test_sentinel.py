import subprocess
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis as redis_py
from redis.backoff import NoBackoff
from redis.retry import Retry

from mas.errors import RedisUnavailable
from mas.redis import find_server, open_redis
from mas.testing.server import Server, free_port, redis_server
from tests.redis.waiting import until

PASSWORD = "sentinel's own"


@contextmanager
def sentinel(directory: Path) -> Generator[redis_py.Redis]:
    """Run a Sentinel that watches nothing yet; what it watches is the test's to say."""
    port = free_port()
    settings = directory / "sentinel.conf"
    settings.write_text(f'port {port}\nbind 127.0.0.1\nrequirepass "{PASSWORD}"\ndir "{directory}"\n')
    with (
        subprocess.Popen([find_server(), settings, "--sentinel"], stdout=subprocess.DEVNULL) as process,
        redis_py.Redis(port=port, password=PASSWORD, retry=Retry(NoBackoff(), 0)) as client,
    ):
        try:
            yield client
        finally:
            process.kill()


def url(client: redis_py.Redis, *others: str) -> str:
    port = client.get_connection_kwargs()["port"]
    return f"redis+sentinel://{','.join((*others, f'127.0.0.1:{port}'))}/main/1?sentinel_password={PASSWORD}"


def answers(client: redis_py.Redis) -> bool:
    try:
        return bool(client.execute_command("PING"))
    except redis_py.ConnectionError:
        return False


def watch(client: redis_py.Redis, server: Server) -> None:
    client.execute_command("SENTINEL", "MONITOR", "main", "127.0.0.1", str(server.port), "1")


@pytest.fixture
def servers():
    with ExitStack() as stack:
        yield [stack.enter_context(redis_server(port=0)) for _ in range(2)]


async def test_the_master_is_asked_for_again_at_every_connect(servers, tmp_path):
    first, second = servers
    with sentinel(tmp_path) as watcher:
        await until(lambda: answers(watcher))
        watch(watcher, first)
        # The Sentinel that nobody runs is passed over.
        async with open_redis(url(watcher, "127.0.0.1:1"), backoff_cap=0.1) as redis:
            assert await redis.set("where", "first") is True
            watcher.execute_command("SENTINEL", "REMOVE", "main")
            watch(watcher, second)
            first.kill()
            await until(lambda: redis.generation == 2)
            assert await redis.set("where", "second") is True
        with second.client() as operator:
            operator.select(1)
            assert operator.get("where") == b"second"


async def test_a_server_that_sentinel_wrongly_calls_master_is_not_used(servers, tmp_path):
    first, second = servers
    with second.client() as operator:
        operator.replicaof("127.0.0.1", str(first.port))
    with sentinel(tmp_path) as watcher:
        await until(lambda: answers(watcher))
        watch(watcher, second)
        with pytest.raises(RedisUnavailable, match=r"not the master|no Sentinel names"):
            async with open_redis(url(watcher), connect_timeout=0.3):
                pass


async def test_sentinels_that_do_not_know_are_named_with_their_reasons(tmp_path):
    with sentinel(tmp_path) as watcher:
        await until(lambda: answers(watcher))
        with pytest.raises(
            RedisUnavailable, match=r"for main: 127.0.0.1:1: .*; .* does not watch it"
        ) as refusal:
            async with open_redis(url(watcher, "127.0.0.1:1"), connect_timeout=0.3):
                pass
        assert PASSWORD not in str(refusal.value)
        with pytest.raises(RedisUnavailable, match="NOAUTH"):
            async with open_redis(url(watcher).partition("?")[0], connect_timeout=0.3):
                pass
