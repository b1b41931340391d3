"""A Redis that lets in nobody without a password: on it, agents in processes of their own are confined."""

import shutil

import pytest

from mas.testing.fixtures import connections_left
from mas.testing.server import redis_server


@pytest.fixture(scope="session")
def closed_server():
    with redis_server(password="CANARY-password") as started:
        yield started


@pytest.fixture
def closed_url(closed_server):
    """Give the URL of the server, empty; afterwards no connection and no user may be left."""
    with closed_server.client() as client:
        client.flushall()
        shutil.rmtree(closed_server.data_dir, ignore_errors=True)
        yield closed_server.url
        assert connections_left(client) == []
        assert client.acl_users() == ["default"]
