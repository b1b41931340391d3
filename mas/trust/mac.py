"""The keyed hash under seals, permits and records: BLAKE2b (RFC 7693) in its keyed mode, 256 bits.

A MAC by its own definition, at about a third of the cost of HMAC-SHA256 on short input. Parts are
joined by NUL, which none but the last can contain.
"""

import hashlib
from functools import lru_cache


def mac(key: bytes, data: bytes) -> str:
    """Return the MAC as hex."""
    state = keyed(key).copy()
    state.update(data)
    return state.hexdigest()


@lru_cache(maxsize=4096)
def keyed(key: bytes) -> "hashlib.blake2b":
    """Return the state after the key, to be copied: taking it in costs as much as a short message does."""
    return hashlib.blake2b(key=key, digest_size=32)
