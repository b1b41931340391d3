"""Which agents have a series of their own: never more than a bound, whatever Redis or messages name."""

from collections.abc import Iterable
from typing import Final

OTHERS: Final = "(others)"
"""Stands for all that have none; no id can be called so."""
MOST_OTHERS: Final = 100
"""Agents outside the configuration that get one, first come; they keep it while the process lives."""
LARGEST: Final = 50
"""Series in one answer."""


class Labels:
    """Remembers who has a series.

    :param configured: the agents of the configuration: all of them may
    """

    def __init__(self, configured: Iterable[str]) -> None:
        self._configured = frozenset(configured)
        self._admitted: set[str] = set()

    def of(self, agent: str) -> str:
        """Return what an agent is called in metrics."""
        if agent in self._configured or agent in self._admitted:
            return agent
        if len(self._admitted) < MOST_OTHERS:
            self._admitted.add(agent)
            return agent
        return OTHERS

    def largest(self, values: Iterable[tuple[str, int]]) -> dict[str, int]:
        """Return the largest values by label, and the rest as one; those that are nothing are left out."""
        ranked = sorted((each for each in values if each[1]), key=lambda each: (-each[1], each[0]))
        found = {OTHERS: 0}
        for place, (agent, value) in enumerate(ranked):
            label = self.of(agent) if place < LARGEST else OTHERS
            found[label] = found.get(label, 0) + value
        return found
