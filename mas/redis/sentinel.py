"""Ask the Sentinels which server is the master now."""

from dataclasses import replace

import anyio

from mas.errors import RedisUnavailable
from mas.redis.dial import dial
from mas.redis.endpoint import Endpoint
from mas.redis.exchange import BROKEN, Command, exchange, words


async def find_master(endpoint: Endpoint) -> Endpoint:
    """Return the address of the master, by the word of the first Sentinel that knows it.

    Its own word counts in the end: whoever connects checks that the server calls itself a master.

    :raises RedisUnavailable: if no Sentinel could say
    :raises ConfigurationError: if the master is another machine, TLS is off, and nobody said that it may be
    """
    problems = []
    for host, port in endpoint.sentinels:
        sentinel = replace(endpoint.at(host, port), db=0)
        try:
            with anyio.fail_after(1):  # seconds: a dead Sentinel must leave time to ask the next
                address = await _ask(sentinel, endpoint)
        except (*BROKEN, RedisUnavailable, TimeoutError) as error:
            problems.append(f"{sentinel.address}: {words(error)}")
        else:
            if address is not None:
                return endpoint.master(*address)
            problems.append(f"{sentinel.address} does not watch it")
    raise RedisUnavailable(f"no Sentinel names a master for {endpoint.service}: {'; '.join(problems)}")


async def _ask(sentinel: Endpoint, endpoint: Endpoint) -> tuple[str, int] | None:
    commands: list[Command] = [("SENTINEL", "GET-MASTER-ADDR-BY-NAME", endpoint.service)]
    if endpoint.sentinel_password is not None:
        user = endpoint.sentinel_username or "default"
        commands.insert(0, ("AUTH", user, endpoint.sentinel_password))
    stream = await dial(sentinel)
    try:
        answer = (await exchange(stream, *commands))[-1]
    finally:
        await anyio.aclose_forcefully(stream)
    if isinstance(answer, Exception):
        raise RedisUnavailable(str(answer)) from answer
    return (answer[0].decode(), int(answer[1])) if answer else None
