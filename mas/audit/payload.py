"""A payload in a record, where `audit.payload: encrypted` says so: AES-256-GCM (NIST SP 800-38D).

The nonce is random, 96 bits. A payload is bound to its record's run and number, so that it opens nowhere
else. With one key, 2^32 payloads are the most; a new deployment secret begins anew.
"""

import base64
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mas.audit.record import AuditRecord
from mas.errors import IntegrityError
from mas.trust import Keyring

_NONCE = 12


def encrypt(key: bytes, bound_to: str, payload: bytes) -> str:
    """Return a payload as a record keeps it."""
    nonce = os.urandom(_NONCE)
    return base64.b64encode(nonce + _cipher(key).encrypt(nonce, payload, bound_to.encode())).decode()


def decrypt(keyring: Keyring, record: AuditRecord) -> bytes:
    """Return the payload that a record keeps; empty if it keeps none.

    :raises IntegrityError: if it is not what the gateway wrote, or written under another secret
    """
    if not record.payload:
        return b""
    try:
        kept = base64.b64decode(record.payload, validate=True)
        bound = f"{record.run} {record.count}".encode()
        return _cipher(keyring.payload).decrypt(kept[:_NONCE], kept[_NONCE:], bound)
    except (InvalidTag, ValueError) as error:
        raise IntegrityError(f"payload of message {record.message_id}", "it does not decrypt") from error


@lru_cache(maxsize=4)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)
