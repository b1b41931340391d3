"""Does anybody still want it?"""

from mas.decision import Decision
from mas.gateway.snapshot import Snapshot
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict


def lifetime(submission: Submission, snapshot: Snapshot) -> Verdict | None:
    """Refuse what waited longer for a gateway than is kept, or than its sender allows."""
    waited = snapshot.now - submission.arrived
    if waited > snapshot.settings.delivery.ingress_retention:
        return Verdict(Decision.EXPIRED, f"waited {waited:.0f} s for a gateway")
    if waited < -snapshot.settings.message_signing.max_drift:
        # Only who may choose its entries' ids can do that: an agent with an ingress stream of its own.
        return Verdict(Decision.EXPIRED, f"submitted {-waited:.0f} s ahead of Redis' clock")
    message = submission.message
    assert message is not None  # noqa: S101 - the shape stage has passed
    expires_at = message.meta.expires_at
    if expires_at is not None and not snapshot.now < expires_at:
        return Verdict(Decision.EXPIRED, "its own expiry has passed")
    return None
