"""Does the payload hold what must not travel?

What is found is named by class and path, never by value. Redaction delivers another envelope than was
signed: the one place where the gateway writes one, and its seal says that it did.
"""

from collections import Counter

import msgspec

from mas.decision import Decision
from mas.dlp import CLEAN, Action
from mas.gateway.snapshot import Snapshot
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict
from mas.message import GATEWAY, encode

_DECISIONS = {
    Action.BLOCK: Decision.DLP_BLOCKED,
    Action.REDACT: Decision.DLP_REDACTED,
    Action.ALERT: Decision.DLP_ALERT,
}


def dlp(submission: Submission, snapshot: Snapshot) -> Verdict | None:
    """Scan the payload; leave the redacted envelope behind."""
    message = submission.message
    assert message is not None  # noqa: S101 - the shape stage has passed
    if message.target_id == GATEWAY or snapshot.scanner is None:
        return None
    payload = bytes(message.data)
    if snapshot.scanner.is_clean(payload):
        return None
    found = snapshot.scanner.scan(
        payload,
        target=message.target_id,
        sender=message.sender_id,
        roles=snapshot.mirror.policy.roles_of(message.sender_id),
    )
    if found is CLEAN:
        return None
    violations = Counter(finding.kind for finding in found.findings)
    if found.action is None:
        return Verdict(Decision.ALLOWED, found.reason, violations=violations)
    if found.redacted is not None and found.action is Action.REDACT:
        redacted = msgspec.structs.replace(message, data=msgspec.Raw(found.redacted))
        submission.redacted = encode(redacted)
    return Verdict(_DECISIONS[found.action], found.reason, violations=violations)
