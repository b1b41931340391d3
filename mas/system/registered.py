"""Who looks after what the registry keeps for all: who was revoked, who runs elsewhere, who may enrol."""

from mas.audit import Events
from mas.clock import Clock
from mas.directory import Tombstones
from mas.keys import Keys
from mas.redis import Redis, Subscriber
from mas.registry import GrantKeeper, OutsiderKeeper, TombstoneFile, TombstoneKeeper
from mas.settings import Settings
from mas.trust import Keyring


class Registered:
    """Makes them, all about one system."""

    def __init__(
        self,
        redis: Redis,
        subscriber: Subscriber,
        keys: Keys,
        keyring: Keyring,
        known: Tombstones,
        events: Events,
        *,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._redis, self._subscriber, self._keys, self._keyring = redis, subscriber, keys, keyring
        self._known, self._events, self._settings, self._clock = known, events, settings, clock

    def tombstones(self) -> TombstoneKeeper:
        """Return who keeps those that were revoked in Redis, in this process and on this disk alike."""
        return TombstoneKeeper(
            self._redis,
            self._subscriber,
            self._keys,
            self._keyring,
            self._known,
            TombstoneFile(self._settings.data_dir, self._keys, self._keyring.record),
            alarm=self._events.alarm,
            clock=self._clock,
        )

    def outsiders(self) -> OutsiderKeeper:
        """Return who lets agents that run elsewhere into Redis, and nobody else."""
        return OutsiderKeeper(
            self._redis,
            self._subscriber,
            self._keys,
            self._keyring,
            self._known,
            alarm=self._events.alarm,
            clock=self._clock,
        )

    def grants(self) -> GrantKeeper:
        """Return who enrols whoever shows a grant."""
        return GrantKeeper(
            self._redis,
            self._keys,
            self._keyring,
            self._known,
            self._events,
            in_flight=self._settings.gateway.longest_in_flight,
            clock=self._clock,
        )
