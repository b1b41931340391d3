"""The process's side: examine and archive what its owner asks for, and tell what came of it."""

from pathlib import Path

import anyio
from redis.exceptions import ResponseError

from mas.audit import archive
from mas.audit.apart.words import (
    Answer,
    Ask,
    Examine,
    Failed,
    Looked,
    Pack,
    Packed,
    Ready,
    Spec,
    encode,
    read_ask,
    read_spec,
)
from mas.audit.draft import Draft
from mas.audit.look import Look
from mas.errors import RedisUnavailable
from mas.keys import Keys
from mas.process import Serving
from mas.redis import Endpoint, Redis, open_redis


def main(owner: int, lifeline: int, reports: int) -> int:
    """Serve until the owner wants nothing any more; return the process's exit status.

    The parameters are those of `Serving`.
    """
    serving = Serving(owner, lifeline, reports)
    first = serving.first()
    if first is not None:
        spec = read_spec(first)
        anyio.run(_serve, serving, spec, backend=spec.backend)
    return 0


async def _serve(serving: Serving, spec: Spec) -> None:
    place = Endpoint.parse(spec.redis_url, allow_plaintext=spec.allow_plaintext)
    keys = Keys(spec.namespace)
    async with open_redis(
        place,
        name="mas:examiner",
        response_timeout=spec.response_timeout,
        connect_timeout=spec.connect_timeout,
    ) as redis:
        serving.report(encode(Ready()))
        async for line in serving.lines():
            serving.report(encode(await _answer(redis, keys, spec, read_ask(line))))


async def _answer(redis: Redis, keys: Keys, spec: Spec, ask: Ask) -> Answer:
    try:
        match ask:
            case Examine(trail, after, most, runs):
                draft = Draft(trail, spec.macs[trail], runs)
                return Looked(await Look(redis, keys, trail, after, most).seen(draft))
            case Pack(first, upto, path):
                seals = await redis.call("XRANGE", keys.audit_seals, first, upto)
                content = await archive.pack(redis, keys, seals)
                return Packed(await archive.keep(content, Path(path)))
    except (RedisUnavailable, ResponseError, OSError) as error:
        return Failed(str(error))
