"""The file of the key that signs seals: made once, handed over, never two at a time.

A successor is put beside it first, then announced in the chain, then takes its place. So whatever crashes
in between, the key that the chain asks for is on the disk.
"""

import os
from contextlib import suppress
from pathlib import Path

from mas.audit.signing import PublicKeys, SealKey, public_pem
from mas.errors import ConfigurationError


class KeyFile:
    """See the module.

    :param public: where the public keys go, newest last
    """

    def __init__(self, path: Path, public: Path) -> None:
        self.path, self.public = path, public
        self._next = path.with_name(f"{path.name}.next")

    def load(self) -> SealKey:
        """Return the key, making it first where there is none; of several who make it at once, one wins.

        :raises ConfigurationError: if others may read it, or it cannot be read or kept there
        """
        if not os.path.lexists(self.path):
            try:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                SealKey.new().save(self.path)
            except FileExistsError:
                pass
            except OSError as error:
                raise self._cannot(error) from error
        key = SealKey.load(self.path)
        self._publish(key)
        return key

    def load_for(self, fingerprint: str) -> SealKey:
        """Return the key that the chain asks for, completing a handover that was cut short.

        :raises ConfigurationError: if neither the key nor its successor is that one
        """
        key = self.load()
        if key.fingerprint != fingerprint:
            self.complete(fingerprint)
            key = self.load()
        if key.fingerprint != fingerprint:
            raise ConfigurationError(
                f"the chain of seals is signed by key {fingerprint}, and this one is {key.fingerprint}",
                where=str(self.path),
                hint="give every machine that runs gateways the same audit.key_file",
            )
        return key

    def prepare(self) -> SealKey:
        """Make the successor, or return the one that was made for a handover that never was announced."""
        try:
            SealKey.new().save(self._next)
        except FileExistsError:
            pass
        except OSError as error:
            raise self._cannot(error) from error
        return SealKey.load(self._next)

    def complete(self, fingerprint: str) -> None:
        """Let the successor take the key's place if it is the one that the chain names; the old key is gone.

        Several may want that at once, who announced it and each sealer that finds it announced: one does it.
        """
        try:
            successor = SealKey.load(self._next)
        except ConfigurationError:
            if os.path.lexists(self._next):
                raise
            return
        if successor.fingerprint == fingerprint:
            self._publish(successor)
            with suppress(FileNotFoundError):
                self._next.replace(self.path)

    def public_keys(self) -> PublicKeys:
        """Return the public keys.

        :raises ConfigurationError: if there are none
        """
        return PublicKeys.load(self.public)

    def public_pem(self) -> str:
        """Return the public keys in PEM; a key that was never made is not made for this.

        :raises ConfigurationError: if there are none, or they cannot be read
        """
        if os.path.lexists(self.path):
            self.load()
        if not self.public.exists():
            raise ConfigurationError(
                "there is no key for seals yet",
                where=str(self.path),
                hint="the first start of the system makes one; or set audit.key_file to where it is",
            )
        return self.public.read_text()

    def _publish(self, key: SealKey) -> None:
        pem = public_pem(key.public)
        try:
            known = self.public.read_bytes() if self.public.exists() else b""
            if pem not in known:
                draft = self.public.with_name(f"{self.public.name}.{os.getpid()}.{os.urandom(4).hex()}")
                # Whatever the umask says: whoever may write it decides which key is believed.
                descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(known + pem)
                draft.replace(self.public)
        except OSError as error:
            raise self._cannot(error) from error

    def _cannot(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(f"no key can be kept here: {error.strerror}", where=str(self.path))
