"""What is checked before a connection is used: credentials, certificates, version, role."""

import logging
import re
from contextlib import asynccontextmanager, suppress
from urllib.parse import quote

import anyio
import pytest
from redis.exceptions import NoPermissionError

from mas.errors import ConfigurationError, RedisTooOld, RedisUnavailable
from mas.redis import Endpoint, RedisRefused, open_redis
from mas.redis.handshake import too_old
from mas.testing.server import redis_server
from tests.redis.tls import issue_certificates, mutual, tls_in_front_of
from tests.redis.waiting import until

CANARY = "c4n4ry/#?@: é"


@pytest.fixture(scope="module")
def locked_server():
    with redis_server(port=0, password=CANARY) as server:
        yield server


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return issue_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def tls_port(certificates):
    with redis_server(port=0) as server:
        assert server.port is not None
        with tls_in_front_of(server.port, certificates) as port:
            yield port


async def test_a_password_opens_the_door(locked_server):
    async with open_redis(locked_server.url) as redis:
        assert await redis.ping() is True


@pytest.mark.parametrize("user", ["", f":{CANARY[:4]}@", "nobody:c4n4ry@"])
async def test_wrong_credentials_are_refused_at_once_and_never_shown(user, locked_server, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(RedisRefused, match="refused") as refusal, anyio.fail_after(2):
        async with open_redis(f"redis://{user}127.0.0.1:{locked_server.port}", connect_timeout=60):
            pass
    assert "c4n4ry" not in f"{refusal.value} {refusal.value!r} {refusal.value.__cause__} {caplog.text}"
    assert str(locked_server.port) in str(refusal.value)


async def test_a_named_user_may_do_what_its_rules_say(locked_server):
    with locked_server.client() as operator:
        operator.acl_setuser(
            "narrow",
            enabled=True,
            passwords=["+p w"],
            commands=["+ping", "+hello", "+time", "+get"],
            keys=["mine:*"],
        )
    url = f"redis://narrow:{quote('p w')}@127.0.0.1:{locked_server.port}"
    async with open_redis(url) as redis:
        assert await redis.get("mine:key") is None
        with pytest.raises(NoPermissionError):
            await redis.get("theirs:key")
        assert await redis.ping() is True


async def test_tls_with_an_authority_and_a_certificate_of_our_own(tls_port, certificates):
    async with open_redis(f"rediss://localhost:{tls_port}/0?{mutual(certificates)}") as redis:
        assert await redis.set("key", "x" * 1_000_000) is True
        assert await redis.strlen("key") == 1_000_000
        assert await redis.client_getname() == "mas"


async def test_tls_refuses_a_server_nobody_vouches_for(tls_port):
    with pytest.raises(RedisRefused, match="bad certificate"):
        async with open_redis(f"rediss://localhost:{tls_port}"):
            pass


async def test_tls_refuses_a_server_that_is_another(tls_port, certificates):
    with pytest.raises(RedisRefused, match="bad certificate"):
        async with open_redis(f"rediss://127.0.0.1:{tls_port}?ssl_ca_certs={certificates}/ca.pem"):
            pass


@asynccontextmanager
async def pretender(*answers: bytes):
    """Answer whatever comes with prepared bytes, in turn."""

    async def answer(stream):
        async with stream:
            with suppress(anyio.EndOfStream):  # a client may come back for a moment, as the test ends
                for each in answers:
                    await stream.receive()
                    await stream.send(each)

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, answer)
        yield listener.extra(anyio.abc.SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


def greeting(server: str, version: str, role: str = "master") -> bytes:
    facts = "".join(
        f"${len(word)}\r\n{word}\r\n" for word in ("server", server, "version", version, "role", role)
    )
    return f"*6\r\n{facts}+PONG\r\n".encode()


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (greeting("redis", "6.2.14"), RedisTooOld, "is redis 6.2.14"),
        (b"-ERR unknown command 'HELLO'\r\n+PONG\r\n", RedisTooOld, "does not know HELLO"),
        (greeting("redis", "7.2.0", "replica"), RedisUnavailable, "not the master"),
        (b"-ERR max number of clients reached\r\n+PONG\r\n", RedisUnavailable, "max number of clients"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", RedisUnavailable, "no Redis at"),
    ],
)
async def test_a_server_that_will_not_do_is_named_with_the_reason(answer, error, words):
    async with pretender(answer) as port:
        with pytest.raises(error, match=words) as refusal:
            async with open_redis(f"redis://127.0.0.1:{port}", connect_timeout=0.3):
                pass
    assert str(port) in str(refusal.value)


async def test_an_answer_nobody_asked_for_ends_the_connection():
    async with (
        pretender(greeting("redis", "7.2.0"), b"+OK\r\n+TOO MUCH\r\n") as port,
        open_redis(f"redis://127.0.0.1:{port}") as redis,
    ):
        assert await redis.call("PING") == b"OK"
        await until(lambda: "nobody had asked" in redis.trouble)


ELSEWHERE = b"*2\r\n$9\r\n192.0.2.7\r\n$4\r\n6379\r\n"


async def test_a_sentinel_here_that_names_a_master_elsewhere_is_not_followed_in_the_clear():
    async with pretender(ELSEWHERE) as port:
        with pytest.raises(ConfigurationError, match=r"another machine without TLS: 192\.0\.2\.7:6379"):
            async with open_redis(f"redis+sentinel://127.0.0.1:{port}/main"):
                pass


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("redis+sentinel://127.0.0.1/main", True),
        ("redis+sentinel://127.0.0.1,sentinel.example.test/main", False),  # with these it left us already
        ("rediss+sentinel://127.0.0.1/main", False),
    ],
)
def test_one_that_said_so_or_speaks_tls_follows_it(url, allowed):
    endpoint = Endpoint.parse(url, allow_plaintext=allowed)
    assert endpoint.master("192.0.2.7", 6379).address == "192.0.2.7:6379"
    assert endpoint.master("127.0.0.1", 6379).address == "127.0.0.1:6379"


@pytest.mark.parametrize(
    ("server", "version", "verdict"),
    [
        ("redis", "6.2.14", True),
        ("redis", "7.0.0", False),
        ("redis", "10.1", False),
        ("Valkey", "7.1.9", True),
        ("valkey", "7.2.5", False),
        ("other", "6.9", True),
    ],
)
def test_which_versions_will_do(server, version, verdict):
    assert too_old(server, version) is verdict


@pytest.mark.parametrize(
    ("options", "problem", "mend"),
    [
        (("--cluster-enabled", "yes"), "Redis Cluster", "Sentinels that watch one"),
        (("--sentinel",), "is a Sentinel", r"redis\+sentinel://"),
    ],
)
async def test_what_is_no_single_server_is_refused_at_once(options, problem, mend):
    server = redis_server(port=0, extra=options)
    with server as running, pytest.raises(ConfigurationError, match=problem) as refusal, anyio.fail_after(10):
        async with open_redis(running.url, connect_timeout=60):
            pass
    assert re.search(mend, refusal.value.hint)
