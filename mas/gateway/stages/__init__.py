"""The policies, one a file, in the order in which they are asked.

A stage is a pure function of a submission and a snapshot: it returns a refusal, or None to let the
next one speak.
"""

from typing import Protocol

from mas.gateway.snapshot import Snapshot
from mas.gateway.stages.authenticate import authenticate
from mas.gateway.stages.authorize import authorize
from mas.gateway.stages.dlp import dlp
from mas.gateway.stages.hops import hops
from mas.gateway.stages.lifetime import lifetime
from mas.gateway.stages.shape import shape
from mas.gateway.stages.signature import signature, take_at_word
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict
from mas.settings import FeatureSettings


class Stage(Protocol):
    """One policy."""

    __name__: str

    def __call__(self, submission: Submission, snapshot: Snapshot, /) -> Verdict | None:
        """Return a refusal, or None."""
        ...


ORDER: tuple[Stage, ...] = (shape, authenticate, signature, lifetime, authorize, hops, dlp)


def stages_for(features: FeatureSettings) -> tuple[Stage, ...]:
    """Return the stages that are switched on, in order."""
    return tuple(take_at_word if s is signature and not features.message_signing else s for s in ORDER)


__all__ = ["ORDER", "Stage", "stages_for"]
