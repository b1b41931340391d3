"""A master, its replica, and three Sentinels that make the one out of the other, all on loopback."""

import subprocess
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import redis as blocking
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from mas.redis import find_server
from mas.testing.server import Server, free_port, redis_server
from tests.redis.waiting import until

PASSWORD = "operator"
_QUORUM = 2
_SETTINGS = """\
port {port}
bind 127.0.0.1
dir "{directory}"
sentinel monitor main 127.0.0.1 {master} {quorum}
sentinel auth-pass main {password}
sentinel down-after-milliseconds main 800
sentinel failover-timeout main 4000
"""


class Watched(NamedTuple):
    """What three Sentinels watch."""

    master: Server
    replica: Server
    places: str
    """The Sentinels, as a URL lists them."""
    sentinels: list[Any]

    @property
    def url(self) -> str:
        """Where the deployment finds its master."""
        return f"redis+sentinel://:{PASSWORD}@{self.places}/main/0"

    def cut_off(self) -> None:
        """Let the replica hear no more of its master."""
        with self.replica.client() as client:
            client.config_set("masterauth", "another")
            client.client_kill_filter(_type="master")


@asynccontextmanager
async def watched(directory: Path) -> AsyncGenerator[Watched]:
    """Run them for the length of a block; ready when the replica is in step and the Sentinels know it all."""
    with ExitStack() as stack:
        extra = ("--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0")
        master, replica = (
            stack.enter_context(redis_server(port=0, password=PASSWORD, extra=extra)) for _ in range(2)
        )
        with replica.client() as client:
            client.replicaof("127.0.0.1", str(master.port))
            await until(lambda: client.info("replication")["master_link_status"] == "up")
        ports = [free_port() for _ in range(3)]
        sentinels = [_sentinel(stack, directory, port, master) for port in ports]
        await until(lambda: all(map(_knows_all, sentinels)))
        yield Watched(master, replica, ",".join(f"127.0.0.1:{port}" for port in ports), sentinels)


def _sentinel(stack: ExitStack, directory: Path, port: int, master: Server) -> Any:
    place = directory / f"sentinel-{port}"
    place.mkdir()
    settings = place / "sentinel.conf"
    told = _SETTINGS.format(port=port, directory=place, master=master.port, quorum=_QUORUM, password=PASSWORD)
    settings.write_text(told)
    process = stack.enter_context(
        subprocess.Popen([find_server(), settings, "--sentinel"], stdout=subprocess.DEVNULL)
    )
    stack.callback(process.kill)
    return stack.enter_context(blocking.Redis(port=port, protocol=2, retry=Retry(NoBackoff(), 0)))


def _knows_all(sentinel: Any) -> bool:
    try:
        told = sentinel.execute_command("SENTINEL", "MASTER", "main")
    except RedisError:
        return False
    facts = {_text(name): _text(value) for name, value in _pairs(told)}
    return facts["num-other-sentinels"] == "2" and facts["num-slaves"] == "1" and facts["flags"] == "master"


def _pairs(told: Any) -> Any:
    return told.items() if isinstance(told, dict) else zip(told[::2], told[1::2], strict=True)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
