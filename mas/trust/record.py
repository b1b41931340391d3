"""The MAC that a stored record must carry: registrations, the policy, control commands, dead letters.

Redis is trusted with keeping records, not with their truth. A record is stored as `mac body`; the MAC
is bound to the key it lies under, so that one agent's record cannot stand in for another's.
"""

import hmac

from mas.errors import IntegrityError
from mas.trust.mac import mac


def protect(key: bytes, place: str, body: bytes) -> bytes:
    """Return the record as it is stored.

    :param place: Redis key and, in a hash, field
    """
    return mac(key, b"%b\0%b" % (place.encode(), body)).encode() + b" " + body


def unprotect(key: bytes, place: str, stored: bytes) -> bytes:
    """Return the record's body.

    :raises IntegrityError: if it was not written by a holder of the key, for this place
    """
    body = stored[65:]
    if not hmac.compare_digest(protect(key, place, body), stored):
        raise IntegrityError(place)
    return body
