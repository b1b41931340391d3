"""How one process's gateway gets on, batch by batch: the loop's last turn, sizes and times of batches."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

SIZES: Final = (1, 2, 4, 8, 16, 32, 64)
"""Messages in a batch."""
SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""From the arrival of a batch's entries to the answer to its commit."""


class Histogram:
    """Counts by upper bounds, and the sum of what was counted."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        """By bound, each without those before; the last are beyond all bounds."""
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Pace:
    """Since the process began, across the gateway's restarts.

    :ivar turned: monotonic seconds at which the loop last began to look for messages; None: never yet
    """

    __slots__ = ("seconds", "sizes", "turned")

    def __init__(self) -> None:
        self.sizes, self.seconds = Histogram(SIZES), Histogram(SECONDS)
        self.turned: float | None = None

    def batch(self, messages: int, seconds: float) -> None:
        """Count a batch whose commit was answered."""
        self.sizes.add(messages)
        self.seconds.add(seconds)
