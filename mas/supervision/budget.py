"""How many restarts are allowed within which period; the window slides."""

from collections import deque
from dataclasses import dataclass, field

from mas.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Budget:
    """The intensity of restarts that is still taken for bad luck.

    :param max_restarts: how many may happen within the period; one more is too many. 0: none
    :param within: length of the period in seconds
    """

    max_restarts: int = 5
    within: float = 60.0

    def __post_init__(self) -> None:
        if self.max_restarts < 0:
            raise ConfigurationError(f"max_restarts is {self.max_restarts}", hint="0 or more")
        if not self.within > 0:
            raise ConfigurationError(f"within is {self.within}", hint="more than 0 seconds")


@dataclass(slots=True)
class Window:
    """The restarts that a budget still remembers."""

    budget: Budget
    _times: deque[float] = field(default_factory=deque)

    def spend(self, now: float) -> bool:
        """Record a restart and say whether the budget allows it.

        :param now: monotonic seconds; a restart exactly `within` seconds old still counts
        """
        self._times.append(now)
        oldest = now - self.budget.within
        while self._times[0] < oldest:
            self._times.popleft()
        return len(self._times) <= self.budget.max_restarts
