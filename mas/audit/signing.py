"""The key that signs seals, and the public ones that check them."""

import base64
import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mas.errors import ConfigurationError

_DOMAIN = b"mas audit seal 1\0"
_PEM = serialization.Encoding.PEM
_END = b"-----END PUBLIC KEY-----"


class SealKey:
    """A private key. It shows itself in no repr and is not pickled."""

    __slots__ = ("__private", "fingerprint", "public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self.__private = private
        self.public = private.public_key()
        self.fingerprint = fingerprint(self.public)

    def __repr__(self) -> str:
        return f"<SealKey {self.fingerprint}>"

    def __reduce__(self) -> str:
        raise TypeError("a private key is not pickled: it would leave the process")

    def sign(self, body: bytes) -> bytes:
        """Return the signature over a link, as base64."""
        return base64.b64encode(self.__private.sign(_DOMAIN + body))

    def save(self, path: Path) -> None:
        """Put the key into a new file that only its owner may read.

        :raises FileExistsError: if there is such a file
        """
        pem = self.__private.private_bytes(
            _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        put_file(path, pem)

    @classmethod
    def new(cls) -> "SealKey":
        """Make a key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "SealKey":
        """Read a key from its file.

        :raises ConfigurationError: if others may read the file, or it holds no such key
        """
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise ConfigurationError(
                    "others may read the key that signs seals", where=str(path), hint=f"chmod 600 {path}"
                )
            private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(path)) from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigurationError("holds no private key in PEM, unencrypted", where=str(path)) from error
        if not isinstance(private, Ed25519PrivateKey):
            raise ConfigurationError("holds a key, but not one for Ed25519", where=str(path))
        return cls(private)


class PublicKeys:
    """The keys whose signatures are believed."""

    def __init__(self, keys: Iterable[Ed25519PublicKey]) -> None:
        self._keys = {fingerprint(key): key for key in keys}

    def __contains__(self, name: str) -> bool:
        return name in self._keys

    def add(self, raw: str) -> None:
        """Believe one more, given as base64 of its 32 bytes.

        :raises ValueError: if it is no such key
        """
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(raw, validate=True))
        self._keys[fingerprint(key)] = key

    def verify(self, name: str, body: bytes, signature: bytes) -> bool:
        """Say whether the key of that fingerprint signed a link."""
        key = self._keys.get(name)
        if key is None:
            return False
        try:
            key.verify(base64.b64decode(signature, validate=True), _DOMAIN + body)
        except (InvalidSignature, ValueError):
            return False
        return True

    @classmethod
    def load(cls, path: Path) -> "PublicKeys":
        """Read one public key or several, in PEM.

        :raises ConfigurationError: if the file cannot be read or holds anything else
        """
        try:
            blocks = [block + _END for block in path.read_bytes().split(_END)[:-1]]
            keys = [serialization.load_pem_public_key(block) for block in blocks]
        except OSError as error:
            raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(path)) from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ConfigurationError("holds no public key in PEM", where=str(path)) from error
        found = [key for key in keys if isinstance(key, Ed25519PublicKey)]
        if not found or len(found) < len(keys):
            raise ConfigurationError("holds no public key for Ed25519, or another one", where=str(path))
        return cls(found)


def public_pem(key: Ed25519PublicKey) -> bytes:
    """Return a public key as others take it."""
    return key.public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def raw_public(key: Ed25519PublicKey) -> str:
    """Return the 32 bytes of a public key as base64."""
    return base64.b64encode(key.public_bytes_raw()).decode()


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return the beginning of the SHA-256 of a public key's 32 bytes, as hex."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def fingerprint_of(raw: str) -> str:
    """Return the fingerprint of a public key given as base64."""
    return hashlib.sha256(base64.b64decode(raw)).hexdigest()[:16]


def put_file(path: Path, content: bytes) -> None:
    """Put a new file there in one step, whole, for its owner's eyes only.

    :raises FileExistsError: if there is a file
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link fails where the name is taken.
        os.link(draft, path)
    finally:
        draft.unlink()
