"""Is it a message at all? Everything that costs nothing to refuse, before anything that costs.

Sizes are capped before parsing; what does not parse, is not spelled in the one canonical way, or
carries a name that could bend a key ends here, and never costs its neighbours. What is too large is not read
either, but up to a few times the size its proof is checked, so that an honest sender can be told.
"""

import math

import msgspec

from mas.decision import Decision
from mas.gateway.snapshot import Snapshot
from mas.gateway.stages.authenticate import authenticate
from mas.gateway.stages.caps import nests_too_much, unreadable
from mas.gateway.stages.signature import signature, take_at_word
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict
from mas.ids import LONGEST, RESERVED, is_valid
from mas.message import GATEWAY, Message, decode, is_canonical, is_message_type

MAX_SEQUENCE = 2**53
HASHED = 4
"""How many times too large an envelope may be for its proof to be checked."""


def shape(submission: Submission, snapshot: Snapshot) -> Verdict | None:
    """Refuse what is too large or malformed; leave the decoded message behind."""
    if not submission.well_formed:
        return _malformed("its fields are not those of a submission")
    envelope, limits = submission.envelope, snapshot.settings.limits
    if len(envelope) > limits.max_envelope:
        _find_sender(submission, snapshot)
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
    if (misnamed := _misnamed(message, snapshot)) is not None:
        return misnamed
    submission.message = message
    return None


def _misnamed(message: Message, snapshot: Snapshot) -> Verdict | None:
    """Refuse an envelope with a name or number that cannot be meant."""
    if message.target_id not in snapshot.mirror.agents and not is_valid(message.target_id):
        return _malformed("its target is not a valid id")
    kind = message.message_type
    if (
        len(kind) > LONGEST
        or not is_message_type(kind)
        or (kind.startswith(RESERVED) and message.target_id != GATEWAY)
    ):
        return _malformed("its message type is not valid or is reserved")
    meta = message.meta
    for reference in (message.message_id, meta.correlation_id, meta.root_id):
        if reference is not None and not _is_reference(reference):
            return _malformed("its message, correlation or root id is not valid")
    if meta.depth < 0 or (meta.depth == 0) is not (meta.root_id is None):
        return _malformed("its depth does not fit its root")
    return None


def _find_sender(submission: Submission, snapshot: Snapshot) -> None:
    """Leave behind whose too large an envelope is, if that can be proven; the payload is skipped over."""
    most = HASHED * snapshot.settings.limits.max_envelope
    if len(submission.envelope) > most or not _read_numbers(submission):
        return
    if snapshot.mirror.sender(submission.agent, submission.instance) is None:
        return
    try:
        submission.message = decode(submission.envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    prove = signature if snapshot.settings.features.message_signing else take_at_word
    if (
        _misnamed(submission.message, snapshot) is not None
        or authenticate(submission, snapshot) is not None
        or prove(submission, snapshot) is not None
    ):
        submission.message, submission.proven = None, False


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
