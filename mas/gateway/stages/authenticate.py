"""Is the sender who it says? The claim must belong to an enrolled instance, and the body repeat it."""

from mas.decision import Decision
from mas.gateway.snapshot import Snapshot
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict


def authenticate(submission: Submission, snapshot: Snapshot) -> Verdict | None:
    """Find what the signature is checked with; the token's validity is the commit's to confirm."""
    submission.sender = snapshot.mirror.sender(submission.agent, submission.instance)
    if submission.sender is None:
        return Verdict(Decision.AUTH_FAILED, "no such instance is enrolled")
    if (tombstone := snapshot.mirror.tombstones.refuses(submission.agent, submission.instance)) is not None:
        return Verdict(Decision.AUTH_FAILED, str(tombstone))
    keys, stream = snapshot.keys, submission.stream
    if stream != keys.ingress and stream != keys.ingress_of(submission.agent):
        return Verdict(Decision.AUTH_FAILED, "it came through the ingress stream of another agent")
    message = submission.message
    assert message is not None  # noqa: S101 - the shape stage has passed
    if message.sender_id != submission.agent or message.meta.sender_instance_id != submission.instance:
        return Verdict(Decision.AUTH_FAILED, "the envelope names another sender than its credential")
    return None
