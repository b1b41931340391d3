"""A sender's proof of possession over one submission.

HMAC-SHA256 under the instance's token, over the exact envelope, the time and the sequence number.
The last two are digits, so the layout can be read in one way only.
"""

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

_BLOCK = 64
"""Bytes that SHA-256 takes in at a time (RFC 2104: B)."""
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


def prove(token: bytes, envelope: bytes, timestamp: bytes, sequence: bytes) -> str:
    """Return the proof as hex.

    :param token: at most 64 bytes
    :param timestamp: seconds since the epoch, in ASCII
    :param sequence: the instance's sequence number, in ASCII
    """
    begun_inner, begun_outer = _keyed(token)
    inner, outer = begun_inner.copy(), begun_outer.copy()
    inner.update(b"%b\n%b\n%b" % (envelope, timestamp, sequence))
    outer.update(inner.digest())
    return outer.hexdigest()


@lru_cache(maxsize=4096)
def _keyed(token: bytes) -> "tuple[_Hash, _Hash]":
    """Return both hashes of HMAC after the key: `hmac.digest` spends most of its time on getting there."""
    key = token.ljust(_BLOCK, b"\0")
    return hashlib.sha256(key.translate(_INNER)), hashlib.sha256(key.translate(_OUTER))
