"""How often each decision was made: every one, also those of which a flood leaves no record."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from mas.decision import Decision


class DecisionCounts:
    """What one process's gateway decided since the process began, across the gateway's restarts.

    :ivar decisions: how often each decision was committed; its labels are the decisions, and no more
    """

    __slots__ = ("_decisions", "decisions")

    def __init__(self) -> None:
        self._decisions = dict.fromkeys(Decision, 0)
        self.decisions: Mapping[Decision, int] = MappingProxyType(self._decisions)

    def add(self, decided: Iterable[Decision | None]) -> None:
        """Count what was committed; None is no decision."""
        for decision in decided:
            if decision is not None:
                self._decisions[decision] += 1
