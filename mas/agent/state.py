"""An agent's state, one hash field a model field, written through as it changes.

All instances of an agent share it: the last writer of a field wins, and the version tells that
somebody wrote.
"""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from mas.agent.models import Model
from mas.errors import PayloadInvalid
from mas.ids import AgentId
from mas.keys import Keys
from mas.redis import Redis

VERSION = b"_version"
"""The hash field that grows by one at every write."""
StateT = TypeVar("StateT")


class StateStore(Generic[StateT]):
    """Loads and stores the state of one agent."""

    def __init__(self, redis: Redis, keys: Keys, agent: AgentId, model: Model[StateT]) -> None:
        self._redis, self._key, self._model = redis, keys.state(agent), model
        self._what = f"state of {agent}"

    def initial(self) -> StateT:
        """Return the state of an agent that never stored one: the model's defaults.

        :raises PayloadInvalid: if a field has none
        """
        return self._model.load(b"{}", self._what)

    async def load(self) -> StateT:
        """Return what is stored.

        :raises PayloadInvalid: if it does not fit the model any more
        """
        flat = await self._redis.call("HGETALL", self._key)
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        fields.pop(VERSION, None)
        stored = {name.decode(): msgspec.Raw(value) for name, value in fields.items()}
        return self._model.load(msgspec.json.encode(stored), self._what)

    async def update(self, state: StateT, changes: Mapping[str, Any]) -> StateT:
        """Store the changed fields and return the state with them.

        :raises PayloadInvalid: if a change names no field or does not fit; nothing is stored then
        """
        merged = {**self._model.dump(state), **changes}
        new = self._model.load(msgspec.json.encode(merged), self._what)
        dumped = self._model.dump(new)
        if unknown := changes.keys() - dumped.keys():
            raise PayloadInvalid(self._what, f"has no field {', '.join(sorted(unknown))}")
        pairs: list[bytes | str] = []
        for name in changes:
            pairs += (name, msgspec.json.encode(dumped[name]))
        if pairs:
            stored = self._redis.post("HSET", self._key, *pairs)
            counted = self._redis.post("HINCRBY", self._key, VERSION, 1)
            await stored.result()
            await counted.result()
        return new

    async def reset(self) -> StateT:
        """Forget what is stored and return the model's defaults."""
        initial = self.initial()
        deleted = self._redis.post("DEL", self._key)
        await deleted.result()
        return initial
