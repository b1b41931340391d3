"""One slow beat for all inboxes of a process.

What an inbox must do now and then (renew leases, look whether a ring was lost, reclaim from the dead)
it does on this beat, so that a thousand agents need one timer, not thousands.
"""

from typing import Protocol

import anyio
from anyio.abc import TaskStatus

from mas.clock import Clock


class Beating(Protocol):
    """What wants the beat."""

    def beat(self, now: float) -> None:
        """Do what is due; must not wait.

        :param now: monotonic seconds
        """


class Pulse:
    """Calls everyone who joined, once an interval.

    :param interval: seconds
    """

    def __init__(self, clock: Clock, interval: float = 0.5) -> None:
        self._clock, self._interval = clock, interval
        self._members: dict[Beating, None] = {}

    def join(self, member: Beating) -> None:
        """Begin to be called."""
        self._members[member] = None

    def leave(self, member: Beating) -> None:
        """Stop being called."""
        self._members.pop(member, None)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Beat until cancelled."""
        task_status.started()
        while True:
            await self._clock.sleep(self._interval)
            now = self._clock.monotonic()
            for member in list(self._members):
                member.beat(now)
