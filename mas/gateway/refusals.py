"""What the commit found otherwise than the stages did, as verdicts."""

from mas.decision import Decision
from mas.gateway.change import Outcome
from mas.gateway.verdict import Verdict

_FOUND = {
    Outcome.TOKEN_INVALID: Verdict(Decision.AUTH_FAILED, "the token has expired or was revoked", "commit"),
    Outcome.REPLAYED: Verdict(Decision.REPLAYED, "this sequence number was committed before", "commit"),
    Outcome.ANSWERED: Verdict(Decision.REPLAYED, "the request has its answer already", "commit"),
    Outcome.BACKLOG_FULL: Verdict(Decision.BACKLOG_FULL, "too much mail waits for the target", "commit"),
    Outcome.UNDELIVERABLE: Verdict(Decision.TARGET_UNKNOWN, "the target's key holds no stream", "commit"),
    Outcome.GONE: Verdict(Decision.TARGET_UNKNOWN, "the instance that asked is gone", "commit"),
    Outcome.FORGOTTEN: Verdict(Decision.TARGET_UNKNOWN, "the target is registered no more", "commit"),
    Outcome.CHAIN_SPENT: Verdict(
        Decision.RATE_LIMITED,
        "the message that began this chain has caused too many",
        "commit",
        tell_target=True,
    ),
}


def refusal_for(outcome: int) -> Verdict | None:
    """Return the refusal that an outcome calls for; None where there is nothing left to do."""
    if outcome >= Outcome.CIRCUIT_OPEN:
        wait = (outcome - Outcome.CIRCUIT_OPEN) / 1000
        return Verdict(Decision.CIRCUIT_OPEN, "the target keeps failing", "commit", wait)
    if outcome >= Outcome.RATE_LIMITED:
        wait = (outcome - Outcome.RATE_LIMITED) / 1000
        return Verdict(Decision.RATE_LIMITED, "over its rate", "commit", wait)
    return _FOUND.get(Outcome(outcome))
