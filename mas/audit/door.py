"""The one way to what a trail holds: whoever comes through it is recorded first.

Nobody who reads has a connection of their own: a door gives it, once the record of the look is written. So
a new kind of read cannot forget its record, and where none can be written, nothing is read.
"""

from pathlib import Path
from typing import NamedTuple

from mas.audit.events import EventKind, Events
from mas.keys import Keys
from mas.redis import Redis


class View(NamedTuple):
    """What there is to read from, for the one look that was recorded."""

    redis: Redis
    keys: Keys
    archive: Path
    """The directory of archives."""


class Door:
    """See the module.

    :param archive: the directory of archives
    :param actor: who comes
    """

    def __init__(self, redis: Redis, keys: Keys, events: Events, archive: Path, *, actor: str) -> None:
        self._view, self._events, self._actor = View(redis, keys, archive), events, actor

    async def open(self, look: str, detail: str = "") -> View:
        """Record a look, then let it through.

        :param look: which kind: `query`, `tail`, ...
        :param detail: what is looked for
        :raises RedisUnavailable: if Redis does not answer
        :raises redis.exceptions.ResponseError: if Redis refuses the record
        """
        await self._events.write(EventKind.AUDIT_READ, look, actor=self._actor, detail=detail)
        return self._view
