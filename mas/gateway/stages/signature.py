"""Was exactly this submitted by whoever holds the token, and just now?"""

import hmac

from mas.decision import Decision
from mas.directory import Sender
from mas.gateway.snapshot import Snapshot
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict
from mas.trust import prove


def signature(submission: Submission, snapshot: Snapshot) -> Verdict | None:
    """Check the proof of possession, then the signed time against Redis' clock at the append."""
    assert submission.sender is not None  # noqa: S101 - authenticate has passed
    sender = submission.sender
    if not _fits(sender, submission):
        if sender.previous is None or not _fits(sender.previous, submission):
            return Verdict(Decision.SIGNATURE_INVALID, "the proof does not fit the submission")
        sender = submission.sender = sender.previous
    if not snapshot.now < sender.expires:
        return Verdict(Decision.AUTH_FAILED, "the token has expired")
    submission.proven = True
    drift = submission.signed_at - submission.arrived
    if abs(drift) > snapshot.settings.message_signing.max_drift:
        return Verdict(Decision.EXPIRED, f"signed {drift:+.0f} s off Redis' clock")
    return None


def _fits(sender: Sender, submission: Submission) -> bool:
    expected = prove(sender.token, submission.envelope, submission.signed_at_text, submission.sequence_text)
    return hmac.compare_digest(expected.encode(), submission.signature)


def take_at_word(submission: Submission, _: Snapshot) -> Verdict | None:
    """Stand in where message signing is switched off: an enrolled name is believed as it is."""
    submission.proven = True
    return None
