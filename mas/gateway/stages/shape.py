"""Is it a message at all? Everything that costs nothing to refuse, before anything that costs.

Sizes are capped before parsing; what does not parse, is not spelled in the one canonical way, or
carries a name that could bend a key ends here, and never costs its neighbours.
"""

import math
import re
from functools import lru_cache

import msgspec

from mas.decision import Decision
from mas.gateway.snapshot import Snapshot
from mas.gateway.stages.caps import nests_too_much, unreadable
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict
from mas.ids import LONGEST, RESERVED, is_valid
from mas.message import GATEWAY, decode, is_canonical

MAX_SEQUENCE = 2**53
_type_matches = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}").fullmatch


def shape(submission: Submission, snapshot: Snapshot) -> Verdict | None:
    """Refuse what is too large or malformed; leave the decoded message behind."""
    if not submission.well_formed:
        return _malformed("its fields are not those of a submission")
    envelope, limits = submission.envelope, snapshot.settings.limits
    if len(envelope) > limits.max_envelope:
        return Verdict(
            Decision.TOO_LARGE, f"{len(envelope)} bytes, and {limits.max_envelope} is the most allowed"
        )
    if snapshot.mirror.sender(submission.agent, submission.instance) is None and not (
        is_valid(submission.agent) and is_valid(submission.instance)
    ):
        return _malformed("its agent or instance is not a valid id")
    if not _read_numbers(submission):
        return _malformed("its timestamp or sequence number is not a number in range")
    if nests_too_much(envelope, limits):
        return _malformed(f"nested deeper than {limits.max_depth}, or more than {limits.max_keys} keys")
    try:
        message = decode(envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _malformed(f"its envelope does not decode: {type(error).__name__}")
    if unreadable(bytes(message.data), limits):
        return _malformed("its payload does not decode")
    if not is_canonical(message, envelope):
        return _malformed("its envelope is not in the canonical encoding")
    if message.target_id not in snapshot.mirror.agents and not is_valid(message.target_id):
        return _malformed("its target is not a valid id")
    kind = message.message_type
    if (
        len(kind) > LONGEST
        or not _type_is_valid(kind)
        or (kind.startswith(RESERVED) and message.target_id != GATEWAY)
    ):
        return _malformed("its message type is not valid or is reserved")
    meta = message.meta
    for reference in (message.message_id, meta.correlation_id, meta.root_id):
        if reference is not None and not _is_reference(reference):
            return _malformed("its message, correlation or root id is not valid")
    if meta.depth < 0 or (meta.depth == 0) is not (meta.root_id is None):
        return _malformed("its depth does not fit its root")
    submission.message = message
    return None


@lru_cache(maxsize=4096)
def _type_is_valid(kind: str) -> bool:
    return _type_matches(kind) is not None


def _is_reference(text: str) -> bool:
    """Say whether a message or correlation id is short and plain; no separator of a key is in it."""
    return len(text) <= LONGEST and text.encode().isalnum()


def _read_numbers(submission: Submission) -> bool:
    sequence = submission.sequence_text
    if not sequence.isdigit() or len(sequence) > 16:
        return False
    try:
        submission.sequence, submission.signed_at = int(sequence), float(submission.signed_at_text)
    except ValueError:
        return False
    return 0 < submission.sequence < MAX_SEQUENCE and math.isfinite(submission.signed_at)


def _malformed(reason: str) -> Verdict:
    return Verdict(Decision.MALFORMED, reason)
