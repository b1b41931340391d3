"""Who was revoked, and may not enrol until an operator lifts it.

One Redis hash, `mas.tombstones`: a field an agent, or `agent:instance`, each with its MAC and the time of
the last word about it. A lift is such a word too, not a deletion: of two that differ the later one holds,
so that a copy kept elsewhere never brings back what was lifted meanwhile.
"""

from collections.abc import Iterable, Iterator

import msgspec

from mas.errors import IntegrityError
from mas.ids import AgentId, InstanceId
from mas.keys import Keys
from mas.trust import protect, unprotect


class Tombstone(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last word about an agent, or about one of its instances."""

    agent_id: AgentId
    at: float
    """Seconds since the epoch, by Redis' clock."""
    instance_id: InstanceId | None = None
    """None: all its instances, those to come included."""
    revoked: bool = True
    """False once it was lifted."""
    reason: str = ""

    @property
    def field(self) -> str:
        """The hash field it stands in."""
        return tombstone_field(self.agent_id, self.instance_id)

    def __str__(self) -> str:
        word = "revoked" if self.revoked else "lifted"
        return f"{self.field} was {word}{f': {self.reason}' if self.reason else ''}"


class Tombstones:
    """What one process knows of revocations: asked before every enrolment and every delivery."""

    def __init__(self, known: Iterable[Tombstone] = ()) -> None:
        self._known: dict[str, Tombstone] = {}
        self._revoked: frozenset[str] = frozenset()
        for tombstone in known:
            self.learn(tombstone)

    def __iter__(self) -> Iterator[Tombstone]:
        return iter(tuple(self._known.values()))

    def learn(self, tombstone: Tombstone) -> bool:
        """Take note; False when a later word is known already, or just this one."""
        known = self._known.get(tombstone.field)
        if known is not None and known.at >= tombstone.at:
            return False
        self._known[tombstone.field] = tombstone
        self._revoked = frozenset(field for field, each in self._known.items() if each.revoked)
        return True

    def known(self, field: str) -> Tombstone | None:
        """Return the last word that stands in a field."""
        return self._known.get(field)

    def refuses(self, agent: AgentId, instance: InstanceId) -> Tombstone | None:
        """Return what keeps an instance out, if anything does."""
        if not self._revoked:
            return None
        for field in (agent, tombstone_field(agent, instance)):
            if field in self._revoked:
                return self._known[field]
        return None


def tombstone_field(agent: AgentId, instance: InstanceId | None) -> str:
    """Name the hash field of a tombstone."""
    return agent if instance is None else f"{agent}:{instance}"


def write_tombstone(key: bytes, keys: Keys, tombstone: Tombstone) -> bytes:
    """Return a tombstone as the hash holds it."""
    return protect(key, f"{keys.tombstones} {tombstone.field}", msgspec.json.encode(tombstone))


def read_tombstone(key: bytes, keys: Keys, field: str, stored: bytes) -> Tombstone:
    """Return a tombstone.

    :raises IntegrityError: if no holder of the deployment secret wrote it for this field
    """
    place = f"{keys.tombstones} {field}"
    body = unprotect(key, place, stored)
    try:
        return msgspec.json.decode(body, type=Tombstone)
    except msgspec.DecodeError as error:
        raise IntegrityError(place, "it does not decode") from error
