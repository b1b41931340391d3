"""How fast a count grows, over the last seconds in which somebody looked."""

from collections import deque
from typing import Final

_SPAN: Final = 6.0
"""Seconds that a rate is taken over, at the least where it was looked at for so long."""
_OLD: Final = 12.0
"""Seconds after which a look says nothing of now."""
_APART: Final = 0.5
"""Seconds between two looks that are kept."""


class Rate:
    """Remembers a count's last values."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, now: float, count: int) -> float | None:
        """Take note of the count and return its growth a second; None while there is nothing to compare.

        :param now: seconds on a clock that never stands still
        """
        seen = self._seen
        while seen and now - seen[0][0] > _OLD:
            seen.popleft()
        # The youngest of those that are old enough stays, to compare with.
        while len(seen) > 1 and now - seen[1][0] >= _SPAN:
            seen.popleft()
        rate = None
        if seen and now - seen[0][0] >= _APART:
            rate = max(0.0, (count - seen[0][1]) / (now - seen[0][0]))
        if not seen or now - seen[-1][0] >= _APART:
            seen.append((now, count))
        return rate
