"""How many refusals that nobody proved are written down, for each ingress stream.

Whoever can write to a stream can fill trail and dead letters with submissions that prove nothing, under any
name. So their records are limited, by the stream they came through and never by the name they claim: above
the rate one in a hundred is written, and says how many it stands for. All are counted.
"""

from collections.abc import Callable

from mas.decision import Decision

SAMPLE = 100
"""Above the rate, one in so many is written."""
_QUIET = 60.0


class Floods:
    """One gateway's limits.

    :param rate: refusals a second and stream that are written in full
    :param alarm: told when a stream goes over it, at most once a minute
    """

    __slots__ = ("_alarm", "_streams", "rate")

    def __init__(self, rate: int, alarm: Callable[[str, str], None]) -> None:
        self.rate, self._alarm = float(rate), alarm
        self._streams: dict[str, _Stream] = {}

    def passed_over(self, stream: str, now: float) -> int | None:
        """Return how many went unwritten before this one, None if this one does as well.

        :param now: seconds since the epoch
        """
        state = self._streams.get(stream)
        if state is None:
            state = self._streams[stream] = _Stream(self.rate, now)
        state.level = min(self.rate, state.level + max(0.0, now - state.at) * self.rate)
        state.at = now
        if state.level >= 1:
            state.level -= 1
        elif state.unwritten < SAMPLE - 1:
            state.unwritten += 1
            if now - state.alarmed >= _QUIET:
                state.alarmed = now
                problem = f"more than {self.rate:g} submissions a second prove nothing"
                self._alarm(stream, f"{problem}; one in {SAMPLE} of the rest is written")
            return None
        unwritten, state.unwritten = state.unwritten, 0
        return unwritten


class _Stream:
    __slots__ = ("alarmed", "at", "level", "unwritten")

    def __init__(self, level: float, now: float) -> None:
        self.level, self.at, self.unwritten, self.alarmed = level, now, 0, -_QUIET


def proves_nothing(decision: Decision, *, proven: bool) -> bool:
    """Say whether a refusal can be had by anyone who may write to the stream."""
    return not decision.delivers and not (proven and decision.notifies)
