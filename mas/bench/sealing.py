"""What sealing costs the message path: the same system with it and without, in turn, in one process.

The rounds are short and alternate, so that a machine whose speed drifts is as fast for the one as for the
other.
"""

import time
from typing import NamedTuple

import anyio

from mas.audit import Trail
from mas.bench.path import send_one_way, two_agents
from mas.bench.result import Result
from mas.system import System

_LOOK = 0.005
"""Seconds between two looks at how much is sealed."""
_PATIENCE = 30.0
"""Seconds that a sealer may take to catch up."""
_BEFORE = 0.7
"""Seconds of load before each round: a sealer that was idle notices a burst half a second late."""


class Pair(NamedTuple):
    """One round with sealing, and the one beside it without."""

    sealing: Result
    without: Result
    sealed: int
    """Records sealed in the round with sealing."""


async def run_sealing(url: str, messages: int, *, rounds: int, pad: int = 0) -> list[Pair]:
    """Send messages one way with and without sealing, so many times each, and return what each took.

    :param messages: in each round
    :param pad: bytes of padding in each payload
    """
    pairs = []
    async with two_agents(url) as system:
        await send_one_way(system, messages, pad=pad)
        for number in range(rounds):
            measured: dict[bool, Result] = {}
            sealed = 0
            for sealing in (False, True) if number % 2 else (True, False):
                if sealing:
                    await _all_sealed(system)
                else:
                    await system.root.stop("audit")
                # So that as much is under way, and unsealed, at the beginning of the round as at its end.
                began = time.perf_counter()
                while time.perf_counter() - began < _BEFORE:
                    await send_one_way(system, 500, pad=pad)
                already = await _sealed(system)
                measured[sealing] = await send_one_way(system, messages, pad=pad)
                if sealing:
                    sealed = await _sealed(system) - already
                if not sealing:
                    await system.root.start("audit")
            pairs.append(Pair(measured[True], measured[False], sealed))
    return pairs


async def _all_sealed(system: System) -> None:
    """Wait until the sealer is here, and has caught up."""
    with anyio.fail_after(_PATIENCE):
        while True:
            records = await system.redis.call("XLEN", system.keys.audit_messages)
            if await _sealed(system) >= records:
                return
            await anyio.sleep(_LOOK)


async def _sealed(system: System) -> int:
    return int(await system.redis.call("HGET", system.keys.audit_sealed, Trail.MESSAGES) or 0)
