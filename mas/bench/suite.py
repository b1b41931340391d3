"""All measurements in turn, each beside what it is to be compared with in the same run."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import Final, Literal, NamedTuple

from mas.bench.floor import run_floor
from mas.bench.path import run_one_way, run_round_trip
from mas.bench.proving import run_verify
from mas.bench.result import Result, percentile
from mas.bench.sealing import run_sealing

Kind = Literal["one-way", "requests", "sealing", "verify"]
_SIZES: Final = (("100 bytes", 0, 100), ("1 KiB", 920, 1024))
"""Name, bytes of padding that make a payload of it, and bytes of the floor's messages."""


class Row(NamedTuple):
    """One measurement."""

    what: str
    result: Result
    share: float | None = None
    """Of the rate of what it is compared with, measured just before."""
    of: str = ""


async def rows(url: str, messages: int, kinds: Iterable[Kind]) -> AsyncGenerator[Row]:
    """Measure, and yield each result as it comes.

    :param messages: in the largest measurement; the others take a share of as many
    """
    for kind in kinds:
        async for row in _MEASURES[kind](url, messages):
            yield row


async def _one_way(url: str, messages: int) -> AsyncGenerator[Row]:
    for size, pad, body in _SIZES:
        floor = await run_floor(url, messages, size=body)
        yield Row(f"floor, {size}", floor)
        path = await run_one_way(url, messages, pad=pad)
        yield Row(f"one way, {size}", path, path.rate / floor.rate, "of the floor")


async def _requests(url: str, messages: int) -> AsyncGenerator[Row]:
    yield Row("request and reply", await run_round_trip(url, _part(messages, 20)))
    yield Row("the same, 64 in flight", await run_round_trip(url, _part(messages, 4), in_flight=64))


async def _sealing(url: str, messages: int) -> AsyncGenerator[Row]:
    pairs = await run_sealing(url, _part(messages, 4), rounds=4)
    without = _together([pair.without for pair in pairs])
    sealing = _together([pair.sealing for pair in pairs])
    yield Row("one way, sealing stopped", without)
    yield Row("one way, sealing", sealing, sealing.rate / without.rate, "of that")


async def _verify(url: str, messages: int) -> AsyncGenerator[Row]:
    proof = await run_verify(url, messages)
    yield Row("records read", proof.reading)
    yield Row("records verified", proof.verifying, proof.verifying.rate / proof.reading.rate, "of that")


_MEASURES: Final[Mapping[Kind, Callable[[str, int], AsyncGenerator[Row]]]] = {
    "one-way": _one_way,
    "requests": _requests,
    "sealing": _sealing,
    "verify": _verify,
}
KINDS: Final = tuple(_MEASURES)
"""What can be measured."""


def _part(messages: int, of: int) -> int:
    return max(messages // of, 64)


def _together(results: list[Result]) -> Result:
    """Return several rounds as one: sums of what was taken, and the rounds' own medians in the middle."""

    def middle(values: Iterable[float]) -> float:
        return percentile(sorted(values), 0.5)

    return Result(
        results[0].name,
        sum(result.messages for result in results),
        sum(result.took for result in results),
        sum(result.cpu for result in results),
        middle(result.p50 for result in results),
        middle(result.p99 for result in results),
        middle(result.commands for result in results),
        middle(result.round_trips for result in results),
    )
