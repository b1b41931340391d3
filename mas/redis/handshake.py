"""Make a fresh connection ready: say who we are, check what we reached, load the scripts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import anyio
from anyio.abc import ByteStream

from mas.errors import ConfigurationError, RedisTooOld, RedisUnavailable
from mas.redis.dial import dial
from mas.redis.endpoint import Endpoint
from mas.redis.exchange import BROKEN, Command, exchange, words
from mas.redis.refusal import RedisRefused
from mas.redis.script import Script
from mas.redis.sentinel import find_master

MINIMUM: Final = {"redis": (7, 0), "valkey": (7, 2)}
_NEEDED: Final = "Redis 7.0 or Valkey 7.2 is needed"

_MODES: Final = {
    "cluster": (
        "part of a Redis Cluster, and MAS changes keys in one step that a cluster spreads over servers",
        "name a single server, or Sentinels that watch one",
    ),
    "sentinel": (
        "a Sentinel, not the server that it watches",
        "redis+sentinel://host:26379,host:26379/service names Sentinels",
    ),
}
"""What cannot be used however well it runs, and what can be in its place."""


@dataclass(frozen=True, slots=True)
class Session:
    """A connection that has been greeted and may carry commands.

    :param server: name and version of what was reached, as in `redis 7.0.15`
    """

    stream: ByteStream
    server: str


async def connect(endpoint: Endpoint, *, name: str, scripts: Sequence[Script], timeout: float) -> Session:
    """Dial and greet, the master that Sentinels name included; the caller closes the stream.

    :param timeout: seconds for all of it
    :raises RedisRefused: if credentials, certificate or a script were refused
    :raises RedisTooOld: if the server lacks what MAS needs
    :raises ConfigurationError: if it is a Sentinel or part of a cluster
    :raises RedisUnavailable: if it is not there, still loading, or no master
    """
    try:
        with anyio.fail_after(timeout):
            target = await find_master(endpoint) if endpoint.sentinels else endpoint
            stream = await dial(target)
            try:
                server = await greet(stream, target, name=name, scripts=scripts)
            except BaseException:
                await anyio.aclose_forcefully(stream)
                raise
            return Session(stream, server)
    except TimeoutError as error:
        raise RedisUnavailable(f"no answer from {endpoint.address} within {timeout:g} s") from error
    except BROKEN as error:
        raise RedisUnavailable(f"no Redis at {endpoint.address}: {words(error)}") from error


async def greet(stream: ByteStream, endpoint: Endpoint, *, name: str, scripts: Sequence[Script]) -> str:
    """Authenticate, name the connection, check version and role, choose the database, load the scripts.

    Return name and version of the server.
    """
    # HELLO and PING are what even the narrowest ACL user may do; PING, unlike HELLO, tells that data still
    # loads.
    greeting, ready = await exchange(stream, _hello(endpoint, name), ["PING"])
    server = _check_greeting(greeting, endpoint)
    _check(ready, endpoint, "is not ready")
    if endpoint.db:
        [chosen] = await exchange(stream, ("SELECT", endpoint.db))
        _check(chosen, endpoint, f"refused database {endpoint.db}")
    loaded = await exchange(stream, *(("SCRIPT", "LOAD", script.source) for script in scripts))
    for script, answer in zip(scripts, loaded, strict=True):
        _check(answer, endpoint, f"refused the script {script.name}")
    return server


def too_old(server: str, version: str) -> bool:
    """Say whether a server of that name and version lacks what MAS needs."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    return numbers < MINIMUM.get(server.lower(), MINIMUM["redis"])


def _hello(endpoint: Endpoint, name: str) -> Command:
    if endpoint.password is None:
        return ("HELLO", 2, "SETNAME", name)
    return ("HELLO", 2, "AUTH", endpoint.username or "default", endpoint.password, "SETNAME", name)


def _check_greeting(answer: Any, endpoint: Endpoint) -> str:
    if isinstance(answer, Exception):
        text = str(answer)
        if "unknown command" in text.lower():
            raise RedisTooOld(f"{endpoint.address} does not know HELLO: {_NEEDED}")
        if re.search("WRONGPASS|NOAUTH|NOPERM", text):
            raise RedisRefused(f"{endpoint.address} refused {_credentials(endpoint)}") from answer
        raise RedisUnavailable(f"{endpoint.address} refused the greeting: {text}") from answer
    facts = dict(zip(answer[::2], answer[1::2], strict=True))
    server, version = (facts[key].decode() for key in (b"server", b"version"))
    if too_old(server, version):
        raise RedisTooOld(f"{endpoint.address} is {server} {version}: {_NEEDED}")
    if (mode := facts.get(b"mode", b"").decode()) in _MODES:
        problem, hint = _MODES[mode]
        raise ConfigurationError(f"{endpoint.address} is {problem}", hint=hint)
    role = facts[b"role"].decode()
    if role != "master":
        raise RedisUnavailable(f"{endpoint.address} is a {role}, not the master")
    return f"{server} {version}"


def _check(answer: object, endpoint: Endpoint, problem: str) -> None:
    if isinstance(answer, RedisUnavailable):
        raise RedisUnavailable(f"{endpoint.address} {problem}: {answer}") from answer
    if isinstance(answer, Exception):
        raise RedisRefused(f"{endpoint.address} {problem}: {answer}") from answer


def _credentials(endpoint: Endpoint) -> str:
    if endpoint.password is None:
        return "a connection without a password"
    return f"the password of user {endpoint.username or 'default'}"
