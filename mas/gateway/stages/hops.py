"""Is it too deep in a chain of messages that cause one another?"""

from mas.decision import Decision
from mas.gateway.snapshot import Snapshot
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict


def hops(submission: Submission, snapshot: Snapshot) -> Verdict | None:
    """Refuse what stands deeper than allowed; how many a chain holds is the commit's to count."""
    message = submission.message
    assert message is not None  # noqa: S101 - the shape stage has passed
    depth, most = message.meta.depth, snapshot.settings.limits.max_hops
    if depth > most:
        reason = f"{depth} hops deep in its chain, and {most} is the most allowed"
        return Verdict(Decision.RATE_LIMITED, reason, tell_target=True)
    return None
