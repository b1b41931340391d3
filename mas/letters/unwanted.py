"""An operator's order to bury a delivery whose receiver is not to come back.

The order lies in the ingress stream like any submission, so it waits for a gateway as they do, and one
gateway alone obeys it. Only a holder of the deployment's secret can write one, and it is void as soon as
anybody but the operator holds the delivery.
"""

import msgspec

from mas.errors import IntegrityError
from mas.ids import AgentId
from mas.keys import Keys
from mas.trust import protect, unprotect

UNWANTED_FIELDS = [b"unwanted"]
"""What its entry holds, where a submission holds six fields."""
HOLDER = "mas.operator"
"""The consumer that holds such deliveries; no instance can be called so."""


class Unwanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bury one delivery, if the operator still holds it."""

    agent: AgentId
    """Its receiver."""
    entry: str
    """Its id in the receiver's stream."""
    actor: str
    """Who wants it, as far as that is known."""


def write_unwanted(key: bytes, keys: Keys, order: Unwanted) -> bytes:
    """Return an order as its entry holds it."""
    return protect(key, f"{keys.ingress} unwanted", msgspec.json.encode(order))


def read_unwanted(key: bytes, stream: str, stored: bytes) -> Unwanted:
    """Return an order.

    :param stream: where it came from
    :raises IntegrityError: if no holder of the deployment's secret wrote it
    """
    place = f"{stream} unwanted"
    body = unprotect(key, place, stored)
    try:
        return msgspec.json.decode(body, type=Unwanted)
    except msgspec.DecodeError as error:
        raise IntegrityError(place, "it is no order") from error
