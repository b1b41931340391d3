"""What a grant's holder and the deployment say to each other, each able to check and nobody else to read.

Both hold the grant's key, which never travels: the holder asks under a MAC, the answer is encrypted
(AES-256-GCM) and bound to the grant.
"""

import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mas.errors import IntegrityError
from mas.trust.mac import mac

_NONCE = 12


def prove_grant(key: bytes, grant: str, instance: str) -> str:
    """Return the proof with which a grant's holder asks for an instance to be enrolled."""
    return mac(key, f"ask\0{grant}\0{instance}".encode())


def grant_password(key: bytes) -> str:
    """Return the password of the Redis user that the grant opens."""
    return mac(key, b"redis")


def lock_answer(key: bytes, grant: str, answer: bytes) -> bytes:
    """Encrypt the answer."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(_answer_key(key)).encrypt(nonce, answer, grant.encode())


def unlock_answer(key: bytes, grant: str, locked: bytes) -> bytes:
    """Decrypt the answer.

    :raises IntegrityError: if it was not written by a holder of the grant's key
    """
    try:
        return AESGCM(_answer_key(key)).decrypt(locked[:_NONCE], locked[_NONCE:], grant.encode())
    except (InvalidTag, ValueError) as error:
        raise IntegrityError(f"answer to grant {grant}", "it was not written by the deployment") from error


def _answer_key(key: bytes) -> bytes:
    return hashlib.blake2b(b"answer", key=key, digest_size=32).digest()
