"""An agent of the test's own process that notes what it is given."""

from typing import Any

from mas import Agent
from tests.world import Tally


class Noting(Agent[dict[str, Any]]):
    """Notes each start of a handler."""

    def __init__(self, agent_id, **more):
        super().__init__(agent_id, **more)
        self.got = Tally()

    @property
    def journal(self):
        return [(message.data, message.message_id) for message in self.got.seen]

    @Agent.on("work")
    async def work(self, message, payload):
        self.got.note(message)
