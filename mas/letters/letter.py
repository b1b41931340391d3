"""A message that will not be handled, and why."""

import msgspec

from mas.decision import Decision
from mas.errors import IntegrityError
from mas.keys import Keys
from mas.trust import protect, unprotect


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message that will not be handled, and why."""

    decision: Decision
    reason: str
    sender: str
    instance: str
    target: str = ""
    type: str = ""
    message_id: str = ""
    attempts: int = 0
    """Handler starts, for one that was delivered."""
    ingress: str = ""
    """The submission's id in its ingress stream: when it came, and what its audit records name it by."""
    stage: str = ""
    """Which policy refused it; "delivery" for one that was delivered."""
    rule: str = ""
    """Which entry of the configuration refused it, or had let it through."""
    policy: str = ""
    """The policy's version at the decision."""
    receiver: str = ""
    """The instance that gave it up, for one that was delivered."""
    digest: str = ""
    """Keyed hash of the envelope, kept where the envelope is not."""
    envelope: msgspec.Raw = msgspec.Raw(b"null")
    """After redaction. Left out where authentication or DLP refused it, or it does not decode."""

    @property
    def is_whole(self) -> bool:
        """Whether the message itself was kept."""
        return bytes(self.envelope) != b"null"


class Filed(msgspec.Struct, frozen=True):
    """A dead letter in its place."""

    id: str
    """Its entry's id; the digits before the dash are milliseconds since the epoch, by Redis' clock."""
    letter: DeadLetter | None
    """None if it is not as a gateway wrote it."""

    @property
    def at(self) -> float:
        """When it was written, in seconds since the epoch."""
        return int(self.id.partition("-")[0]) / 1000


def write_letter(key: bytes, keys: Keys, letter: DeadLetter) -> str:
    """Return a letter as its entry holds it."""
    return protect(key, keys.dead_letters, msgspec.json.encode(letter)).decode()


def read_letter(key: bytes, keys: Keys, stored: bytes) -> DeadLetter:
    """Return a letter.

    :raises IntegrityError: if it is not as a gateway wrote it
    """
    body = unprotect(key, keys.dead_letters, stored)
    try:
        return msgspec.json.decode(body, type=DeadLetter)
    except msgspec.DecodeError as error:
        raise IntegrityError(keys.dead_letters, "it is no dead letter") from error
