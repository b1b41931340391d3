"""How long to wait before a restart: exponential with full jitter, so that a crowd does not march."""

from dataclasses import dataclass

from mas.errors import ConfigurationError

_MOST_DOUBLINGS = 64
"""Past this every cap is reached; a larger exponent would only overflow."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double from failure to failure, each drawn evenly from nothing up to its bound.

    :param first: bound of the first delay in seconds; 0 restarts at once
    :param cap: seconds that no delay exceeds
    :param healthy_after: seconds a child must have been ready for its failures to be forgotten
    """

    first: float = 0.1
    cap: float = 30.0
    healthy_after: float = 60.0

    def __post_init__(self) -> None:
        for name in ("first", "cap", "healthy_after"):
            if not getattr(self, name) >= 0:
                raise ConfigurationError(f"{name} is {getattr(self, name)}", hint="0 seconds or more")

    def delay(self, failures: int, jitter: float) -> float:
        """Return the seconds to wait.

        :param failures: how often in a row it had failed before this failure
        :param jitter: a number from 0 to 1, drawn evenly
        """
        return jitter * min(self.cap, self.first * 2.0 ** min(failures, _MOST_DOUBLINGS))
