"""pytest fixtures; use them with `pytest_plugins = ["mas.testing.fixtures"]`."""

import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

from mas.testing.server import Server, redis_server

_LEAVE: Final = 2.0  # seconds a closed connection may take to vanish from the server's list


@pytest.fixture(scope="session")
def mas_redis_server() -> Iterator[Server]:
    """One server for the whole run, on a unix socket."""
    with redis_server() as server:
        yield server


@pytest.fixture
def redis_url(mas_redis_server: Server) -> Iterator[str]:
    """Give the URL of an empty Redis; afterwards no connection to it may be left."""
    with mas_redis_server.client() as client:
        client.flushall()
        yield mas_redis_server.url
        deadline = time.monotonic() + _LEAVE
        while (left := _others(client.client_list())) and time.monotonic() < deadline:
            time.sleep(0.005)
        if left:
            pytest.fail(f"connections left open: {left}")


def _others(clients: Any) -> list[str]:
    return [client["name"] or client["cmd"] for client in clients if client["name"] != "mas:testing"]
