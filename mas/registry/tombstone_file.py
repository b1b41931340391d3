"""Tombstones on disk, where no FLUSHALL reaches them: one file beside the deployment's secret."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

import msgspec

from mas.directory import Tombstone, Tombstones, read_tombstone, write_tombstone
from mas.errors import IntegrityError
from mas.keys import Keys
from mas.log import logger

log = logger(__name__)


class TombstoneFile:
    """What this machine remembers of revocations; several processes may share it.

    :param directory: `data_dir`; made when there is something to keep
    :param key: the key under which records carry their MAC
    """

    def __init__(self, directory: Path, keys: Keys, key: bytes) -> None:
        self.path = directory / f"tombstones{f'.{keys.namespace}' if keys.namespace else ''}.json"
        self._keys, self._key = keys, key

    def load(self) -> list[Tombstone]:
        """Return what is kept; what was written under another secret, or by nobody of ours, is left out."""
        try:
            kept = msgspec.json.decode(self.path.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError) as error:
            log.critical("the tombstones kept here cannot be read", file=str(self.path), problem=str(error))
            return []
        found = []
        for field, stored in kept.items():
            try:
                found.append(read_tombstone(self._key, self._keys, field, stored.encode()))
            except IntegrityError as error:
                log.critical("a tombstone kept here is not ours; it is ignored", problem=str(error))
        return found

    def keep(self, tombstones: Iterable[Tombstone]) -> None:
        """Add to what is kept; a later word replaces an earlier one.

        :raises OSError: if it cannot be written
        """
        merged = Tombstones([*self.load(), *tombstones])
        body = msgspec.json.encode(
            {each.field: write_tombstone(self._key, self._keys, each).decode() for each in merged}
        )
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_name(f"{self.path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
