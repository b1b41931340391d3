"""pytest fixtures; use them with `pytest_plugins = ["mas.testing.fixtures"]`."""

import shutil
import time
from collections.abc import Iterator
from typing import Final

import pytest
import redis

from mas.testing.server import Server, redis_server

_LEAVE: Final = 2.0  # seconds a closed connection may take to vanish from the server's list


@pytest.fixture(scope="session")
def mas_redis_server() -> Iterator[Server]:
    """One server for the whole run, on a unix socket."""
    with redis_server() as server:
        yield server


@pytest.fixture
def redis_url(mas_redis_server: Server) -> Iterator[str]:
    """Give the URL of an empty Redis, beside an empty `data_dir`; afterwards no connection may be left."""
    with mas_redis_server.client() as client:
        client.flushall()
        shutil.rmtree(mas_redis_server.data_dir, ignore_errors=True)
        yield mas_redis_server.url
        if left := connections_left(client):
            pytest.fail(f"connections left open: {', '.join(left)}")


def connections_left(client: "redis.Redis", *, within: float = _LEAVE) -> list[str]:
    """Return the names of connections other than our own, once they have had so many seconds to go."""
    deadline = time.monotonic() + within
    while True:
        left = [
            each["name"] or each["addr"] for each in client.client_list() if each["name"] != "mas:testing"
        ]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.005)
