"""An operator's order to take a dead letter up again, and the gateway's word on what became of it.

The order lies in the ingress stream like any submission, so it waits for a gateway as they do, and one
gateway alone obeys it. Only a holder of the deployment's secret can write one; it is good for a
while, so that a copy is soon worth nothing.
"""

import msgspec

from mas.decision import Decision
from mas.errors import IntegrityError
from mas.keys import Keys
from mas.trust import protect, unprotect

ORDER_FIELDS = [b"redrive"]
"""What its entry holds, where a submission holds six fields."""


class Redrive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take one letter up again."""

    id: str
    """Random."""
    letter: str
    """The id of its entry."""
    expires: float
    """Seconds since the epoch by Redis' clock, after which it is not obeyed."""
    actor: str
    """Who wants it, as far as that is known."""


class Outcome(msgspec.Struct, frozen=True):
    """What the gateways decided about a letter that was taken up again."""

    letter: str
    decision: Decision
    reason: str = ""


def write_order(key: bytes, keys: Keys, order: Redrive) -> bytes:
    """Return an order as its entry holds it."""
    return protect(key, f"{keys.ingress} redrive", msgspec.json.encode(order))


def read_order(key: bytes, stream: str, stored: bytes) -> Redrive:
    """Return an order.

    :param stream: where it came from
    :raises IntegrityError: if no holder of the deployment's secret wrote it
    """
    place = f"{stream} redrive"
    body = unprotect(key, place, stored)
    try:
        return msgspec.json.decode(body, type=Redrive)
    except msgspec.DecodeError as error:
        raise IntegrityError(place, "it is no order") from error


def write_outcome(key: bytes, channel: str, outcome: Outcome) -> str:
    """Return an outcome as it is told."""
    return protect(key, channel, msgspec.json.encode(outcome)).decode()


def read_outcome(key: bytes, channel: str, told: bytes) -> Outcome:
    """Return an outcome.

    :raises IntegrityError: if no gateway told it
    """
    body = unprotect(key, channel, told)
    try:
        return msgspec.json.decode(body, type=Outcome)
    except msgspec.DecodeError as error:
        raise IntegrityError(channel, "it is no outcome") from error
