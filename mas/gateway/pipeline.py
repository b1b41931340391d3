"""Ask each stage in turn; the first refusal ends the walk; a stage that raises refuses."""

from mas.decision import Decision
from mas.gateway.snapshot import Snapshot
from mas.gateway.stages import ORDER, Stage
from mas.gateway.submission import Submission
from mas.gateway.verdict import ALLOWED, Verdict
from mas.log import logger

log = logger(__name__)


def decide(submission: Submission, snapshot: Snapshot, stages: tuple[Stage, ...] = ORDER) -> Verdict:
    """Walk the stages and return what they decide."""
    stage = ORDER[0]
    try:
        for stage in stages:
            verdict = stage(submission, snapshot)
            if verdict is not None:
                return verdict._replace(stage=stage.__name__)
    except Exception:
        # One of the three borders where anything may be caught: a policy that fails, fails closed.
        log.exception("a stage raised; the message is refused", stage=stage.__name__)
        decision = Decision.AUTHZ_DENIED if submission.proven else Decision.AUTH_FAILED
        return Verdict(decision, "a policy could not be evaluated", stage.__name__)
    return ALLOWED
