"""May the sender say this to the target?

A reply needs the permit that came with the request, and nothing else but that no block stands
between; any other message needs a grant. Whether the target exists is told only to who may reach it.
"""

from mas.decision import Decision
from mas.gateway.snapshot import Snapshot
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict
from mas.message import GATEWAY
from mas.trust import Permit


def authorize(submission: Submission, snapshot: Snapshot) -> Verdict | None:
    """Ask the policy; leave the opened permit of a reply behind."""
    message = submission.message
    assert message is not None  # noqa: S101 - the shape stage has passed
    sender, target, kind = message.sender_id, message.target_id, message.message_type
    if target == GATEWAY:
        return None
    mirror = snapshot.mirror
    if message.meta.is_reply:
        permit = Permit.open(
            snapshot.keyring.permit,
            message.meta.permit or "",
            requester=target,
            responder=sender,
            correlation=message.meta.correlation_id or "",
        )
        if permit is None:
            return Verdict(Decision.AUTHZ_DENIED, "the reply permit is not for this answer")
        if permit.expires < snapshot.now:
            return Verdict(Decision.EXPIRED, "the reply permit has expired")
        if (block := mirror.policy.blocks(sender, target, kind)) is not None:
            submission.rule = block.origin
            return Verdict(Decision.AUTHZ_DENIED, str(block))
        submission.permit, submission.rule = permit, "the permit to answer"
        return None
    ruling = mirror.policy.decide(sender, target, kind)
    submission.rule = ruling.rule.origin if ruling.rule else ""
    if not ruling.allowed:
        return Verdict(Decision.AUTHZ_DENIED, f"{sender} -> {target} ({kind}): {ruling.reason}")
    if not mirror.is_active(target):
        known = "is not active" if target in mirror.agents else "is not registered"
        return Verdict(Decision.TARGET_UNKNOWN, f"{target} {known}")
    return None
