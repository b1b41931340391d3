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
from mas.errors import MasError
from mas.system import System

_LOOK = 0.005
"""Seconds between two looks at how much is sealed."""
_PATIENCE = 30.0
"""Seconds that a sealer may take to catch up, and its process to come."""
_BEFORE = 0.7
"""Seconds of load before each round: the sealer looks for its lease, and for a burst, twice a second."""
_CLERK = b" name=mas:examiner "
"""How Redis lists the connection of the process that examines, which comes with load that lasts."""
_NOBODY = "0 nobody"
"""Holds the lease in the place of a sealer, better than any of them and for ever."""


class Pair(NamedTuple):
    """One round with sealing, and the one beside it without."""

    sealing: Result
    without: Result
    seals: tuple[int, int]
    """Links appended to the chain in either."""


async def run_sealing(url: str, messages: int, *, rounds: int, pad: int = 0) -> list[Pair]:
    """Send messages one way with and without sealing, so many times each, and return what each took.

    What is sealed with the load that lasts is examined, and archived, in a process of its own.

    :param messages: in each round
    :param pad: bytes of padding in each payload
    :raises MasError: where less is sent in a second than is worth such a process
    """
    pairs = []
    async with two_agents(url) as system:
        with anyio.move_on_after(_PATIENCE):
            while not await _apart(system):
                await send_one_way(system, 500, pad=pad)
        if not await _apart(system):
            raise MasError(
                f"sealing has no process of its own after {_PATIENCE:g} s: this is too slow for one"
            )
        for number in range(rounds):
            measured: dict[bool, Result] = {}
            seals: dict[bool, int] = {}
            for sealing in (False, True) if number % 2 else (True, False):
                await _let(system, sealing)
                # So that as much is under way, and unsealed, at the beginning of the round as at its end.
                began = time.perf_counter()
                while time.perf_counter() - began < _BEFORE:
                    await send_one_way(system, 500, pad=pad)
                before = await _appended(system)
                measured[sealing] = await send_one_way(system, messages, pad=pad)
                seals[sealing] = await _appended(system) - before
                await _let(system, sealing=True)
            pairs.append(Pair(measured[True], measured[False], (seals[True], seals[False])))
    return pairs


async def _let(system: System, sealing: bool) -> None:
    """Have the sealer seal all there is and go on, or keep the lease from it."""
    if sealing:
        await system.redis.call("DEL", system.keys.audit_sealer)
        await _all_sealed(system)
    else:
        await system.redis.call("SET", system.keys.audit_sealer, _NOBODY)


async def _all_sealed(system: System) -> None:
    """Wait until the sealer is here, and has caught up."""
    with anyio.fail_after(_PATIENCE):
        while True:
            records = await system.redis.call("XLEN", system.keys.audit_messages)
            if await _sealed(system) >= records:
                return
            await anyio.sleep(_LOOK)


async def _apart(system: System) -> bool:
    """Say whether records are examined in a process of its own."""
    return _CLERK in await system.redis.call("CLIENT", "LIST")


async def _appended(system: System) -> int:
    """Return how many links the chain has had."""
    told = await system.redis.call("XINFO", "STREAM", system.keys.audit_seals)
    # Pairs of names and values in RESP2, a map in RESP3.
    known = told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))
    return int(known[b"entries-added"])


async def _sealed(system: System) -> int:
    return int(await system.redis.call("HGET", system.keys.audit_sealed, Trail.MESSAGES) or 0)
