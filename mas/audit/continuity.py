"""Is every number there, once and in order?

What is remembered of a run is the last number seen and the numbers missing within the last commit: the
next commit must declare each of them unwritten, so whatever it does not declare was taken away.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mas.audit.entry import Head, Raw, order
from mas.audit.record import BRIEF_LIFE, began, life_of, read_ranges

SLACK = 3600
"""Seconds that the clocks of Redis and of a gateway may be apart."""


Ranges = list[tuple[int, int]]
"""First and last of each."""


class Run(msgspec.Struct, array_like=True):
    """What is known of one run."""

    last: int = 0
    commit: int = 0
    missing: Ranges = []
    """Holes in the last commit."""


class Continuity:
    """Follows all runs of a trail; see the module.

    :param runs: what was known before
    """

    def __init__(self, runs: Mapping[str, Run] | None = None) -> None:
        self._runs = {
            name: Run(run.last, run.commit, list(run.missing)) for name, run in (runs or {}).items()
        }

    def follow(self, entries: Sequence[Raw], heads: Sequence[Head | str]) -> list[tuple[bytes, str]]:
        """Take note of the next records and return the entries at which something is wrong, and what.

        :param heads: of the entries, or what was wrong with them already
        """
        problems: list[tuple[bytes, str]] = []
        name, run = "", None
        for entry, head in zip(entries, heads, strict=True):
            if isinstance(head, str):
                problems.append((entry[0], head))
                continue
            if head.run != name:
                name, run = head.run, self._runs.get(head.run)
            if run and head.count == run.last + 1 and head.commit == run.commit and not head.voids:
                run.last = head.count
                continue
            if problem := self._take(head, entry[0]):
                problems.append((entry[0], problem))
            run = self._runs.get(name)
        return problems

    def state(self, seconds: float) -> dict[str, Run]:
        """Return what must be remembered at this time; runs that are over by then need not be."""
        self._runs = {name: run for name, run in self._runs.items() if seconds <= _over(name)}
        return {name: Run(run.last, run.commit, list(run.missing)) for name, run in self._runs.items()}

    def _take(self, head: Head, entry_id: bytes) -> str:
        """Take note of the next record and say what is wrong with it, if anything is."""
        run = self._runs.get(head.run)
        if run is None:
            seconds = order(entry_id)[0] / 1000
            if not began(head.run) - SLACK <= seconds <= _over(head.run):
                return f"its run {head.run} was over: it is a copy of an old record"
            run = self._runs[head.run] = Run()
        if head.count <= run.last:
            return f"number {head.count} of run {head.run} again, after {run.last}: a copy, or out of order"
        return self._step(run, head)

    @staticmethod
    def _step(run: Run, head: Head) -> str:
        missing = run.missing
        if head.count > run.last + 1:
            missing = [*missing, (run.last + 1, head.count - 1)]
        run.last = head.count
        if head.commit <= run.commit:
            run.missing = missing
            return ""
        before = [(first, min(last, head.commit - 1)) for first, last in missing if first < head.commit]
        run.missing = [(max(first, head.commit), last) for first, last in missing if last >= head.commit]
        run.commit = head.commit
        try:
            lost = _without(before, read_ranges(head.voids))
        except ValueError:
            return f"what it declares unwritten does not decode: {head.voids[:60]}"
        if not lost:
            return ""
        first, last = lost[0][0], lost[-1][1]
        numbers = f"number {first} is" if first == last else f"numbers {first} to {last} are"
        return f"before it, {numbers} gone from run {head.run}"


def _without(ranges: Ranges, taken: Iterable[tuple[int, int]]) -> Ranges:
    """Return what is left of ranges once others are taken out of them."""
    for low, high in taken:
        ranges = [
            part
            for first, last in ranges
            for part in ((first, min(last, low - 1)), (max(first, high + 1), last))
            if part[0] <= part[1]
        ]
    return ranges


def _over(run: str) -> int:
    """Return from when on nothing of a run is written any more, in seconds since the epoch."""
    life = life_of(run)
    # A brief run's writer asks Redis for the time, just before it writes.
    return began(run) + life + (BRIEF_LIFE if life == BRIEF_LIFE else SLACK)
