"""What a stage says, and what the walk over all stages ends in."""

from collections.abc import Mapping
from typing import NamedTuple

from mas.decision import Decision


class Verdict(NamedTuple):
    """A decision with its reason: a refusal is a value."""

    decision: Decision
    reason: str = ""
    stage: str = ""
    retry_after: float | None = None
    """Seconds, where it is known."""
    violations: Mapping[str, int] | None = None
    """Findings of data loss prevention, by class."""
    tell_target: bool = False
    """Whether the target is told as well: it is the other half of the loop that is cut."""


ALLOWED = Verdict(Decision.ALLOWED)
