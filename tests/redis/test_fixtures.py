import pytest

from mas.redis import open_redis
from mas.testing.fixtures import connections_left
from mas.testing.server import redis_server


async def test_a_connection_left_open_is_named(mas_redis_server, redis_url):
    with mas_redis_server.client() as client:
        async with open_redis(redis_url, name="mas:forgotten"):
            assert connections_left(client, within=0.01) == ["mas:forgotten"]
        assert connections_left(client) == []


@pytest.mark.parametrize("port", [None, 0])
def test_a_server_keeps_its_address_and_data_over_restart_and_kill(port):
    with redis_server(
        port=port, password="p w", appendonly="yes", extra=("--appendfsync", "always")
    ) as server:
        url, pid = server.url, server.pid
        for end in (server.stop, server.kill):
            with server.client() as client:
                client.incr("count")
            end()
            server.start()
        assert server.url == url
        assert server.pid != pid
        with server.client() as client:
            assert client.get("count") == b"2"
