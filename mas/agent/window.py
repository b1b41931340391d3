"""How much to read ahead: as much as can be started soon.

Reading one at a time wastes round trips on fast handlers; reading many keeps mail from other instances
while slow handlers work through it. So the window follows the handlers: it doubles while a full window
is worked off in no time, and shrinks back when it takes long.
"""

MOST = 256
"""Entries in one read."""
_QUICK = 0.05
_SLOW = 0.25


class Window:
    """The number of entries that may be read and not yet begun.

    :param concurrency: handlers that run at a time; the window never shrinks below it
    """

    __slots__ = ("_concurrency", "_opened", "size")

    def __init__(self, concurrency: int) -> None:
        self._concurrency = self.size = concurrency
        self._opened = 0.0

    def filled(self, now: float) -> None:
        """Note that a full window was read."""
        self._opened = now

    def emptied(self, now: float) -> None:
        """Note that it has been worked off, and adapt."""
        took = now - self._opened
        if took < _QUICK:
            self.size = max(self._concurrency, min(MOST, self.size * 2))
        elif took > _SLOW:
            self.size = max(self._concurrency, self.size // 2)
