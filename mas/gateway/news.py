"""What is said to have changed since the mirror looked, and that it looks again before the next batch."""

import msgspec

from mas.directory import Mirror
from mas.ids import AgentId, InstanceId, is_valid
from mas.keys import Keys
from mas.redis import Redis


class News:
    """Keeps one gateway's mirror up to date.

    :param mirror: forgets at once what it hears of a sender, and looks at agents when it is asked to
    """

    def __init__(self, redis: Redis, keys: Keys, mirror: Mirror) -> None:
        self._redis, self._keys, self._mirror = redis, keys, mirror
        self._stale: set[AgentId] = set()
        self._all_stale = False
        self._lanes_listed: frozenset[bytes] = frozenset()

    def heard(self, event: bytes | None) -> None:
        """Take note of an event; None means that some may have been missed."""
        if event is None:
            self._all_stale = True
            return
        try:
            about = msgspec.json.decode(event, type=_Event)
        except msgspec.DecodeError:
            return
        self.doubt(about.agent_id)
        if about.instance_id is not None:
            # It joined under a new token, or left.
            self._mirror.forget_sender(about.agent_id, about.instance_id)

    def doubt(self, agent: AgentId) -> None:
        """Have the mirror look at an agent: it may have changed."""
        self._stale.add(agent)

    async def read_all(self) -> None:
        """Have the mirror look at everything, whether or not there is news of it."""
        self._all_stale = False
        self._stale.clear()
        await self._mirror.load()

    async def read(self) -> bool:
        """Have the mirror look at what there is news of, and say whether there was any."""
        if self._all_stale:
            await self.read_all()
        elif self._stale:
            stale, self._stale = self._stale, set()
            await self._mirror.load_agents(stale)
        else:
            return False
        return True

    async def look_for_lanes(self) -> None:
        """Notice an agent with an ingress stream of its own, should the event that told of it be lost."""
        listed = frozenset(await self._redis.call("SUNION", self._keys.outsiders, self._keys.confined))
        if listed != self._lanes_listed:
            self._lanes_listed = listed
            names = (name.decode("utf-8", "replace") for name in listed)
            self._stale.update(AgentId(name) for name in names if is_valid(name))


class _Event(msgspec.Struct, frozen=True):
    agent_id: AgentId
    instance_id: InstanceId | None = None
