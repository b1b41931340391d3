"""The trails: what was decided about messages, and what else touches security."""

from enum import StrEnum

from mas.keys import Keys
from mas.trust import Keyring
from mas.trust.mac import mac


class Trail(StrEnum):
    """One stream of records, sealed by the one chain of seals."""

    MESSAGES = "messages"
    SECURITY = "security_events"

    def stream(self, keys: Keys) -> str:
        """Name its stream."""
        return keys.audit_messages if self is Trail.MESSAGES else keys.audit_security


def trail_key(keyring: Keyring, stream: str) -> bytes:
    """Return the key of the MACs in one trail, so that no record stands in another, or in another system."""
    return bytes.fromhex(mac(keyring.audit, stream.encode()))
