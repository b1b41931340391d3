"""The keyed hash under seals, permits and records: BLAKE2b (RFC 7693) in its keyed mode, 256 bits.

A MAC by its own definition, at about a third of the cost of HMAC-SHA256 on short input. Parts are
joined by NUL, which none but the last can contain.
"""

import hashlib


def mac(key: bytes, data: bytes) -> str:
    """Return the MAC as hex."""
    return hashlib.blake2b(data, key=key, digest_size=32).hexdigest()
