"""End the process once nothing is left of a system but children that ignore their cancellation."""

import logging
import os
import sys

from mas.cli.exits import FAILED
from mas.log import logger
from mas.supervision import Event, Kind, State
from mas.supervision.events import Overrun
from mas.system import System

log = logger("mas")


class OverrunWatch:
    """Hears the events of a system's tree.

    A task cannot be ended from outside while it swallows its cancellation, but a process can; and no
    agent may run beside its own successor.
    """

    def __init__(self) -> None:
        self.system: System | None = None
        self._stuck: dict[str, None] = {}

    def hear(self, event: Event) -> None:
        """Note who is stuck, and end the process when everybody else has stopped."""
        if isinstance(event, Overrun):
            self._stuck[event.path] = None
        if self._stuck and self.system is not None and not _others_run(self.system):
            log.critical("ended with children that ignore their cancellation", children=[*self._stuck])
            logging.shutdown()
            sys.stdout.flush()
            os._exit(FAILED)


def _others_run(system: System) -> bool:
    return any(
        node.state.active and node.state is not State.OVERRUN
        for node in system.root.tree().walk()
        if node.kind is Kind.WORKER
    )
