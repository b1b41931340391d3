"""What the Quick Start promises, typed as it stands there but for the port."""

import signal

from mas.testing.server import redis_server
from tests.cli.process import started

AGENTS = """\
# agents.yaml

# Optional: start MAS service (health monitoring + logs)
start_service: true
service_redis_url: redis://localhost:6379

# Gateway is required (agents always route via the gateway)
start_gateway: true

# Default is deny-by-default; define permissions so agents can talk
permissions:
  - type: allow_bidirectional
    agents: [echo, greeter]

agents:
  - agent_id: echo
    class_path: my_agents:EchoAgent
    init_kwargs:
      capabilities: [echo]

  - agent_id: greeter
    class_path: my_agents:GreeterAgent
    init_kwargs:
      capabilities: [demo]
"""

CODE = """\
from __future__ import annotations

from pydantic import BaseModel, Field

from mas import Agent, AgentMessage


class GreetingRequest(BaseModel):
    hello: str


class EchoState(BaseModel):
    seen: int = Field(default=0)


class EchoAgent(Agent[EchoState]):
    def __init__(self, agent_id: str, **kwargs):
        super().__init__(agent_id, state_model=EchoState, **kwargs)

    @Agent.on("greeting.request", model=GreetingRequest)
    async def handle_greeting(self, message: AgentMessage, payload: GreetingRequest) -> None:
        self.state.seen += 1
        await self.update_state({"seen": self.state.seen})
        await message.reply(
            "greeting.response",
            {"reply": f"echo: {payload.hello}", "seen": self.state.seen},
        )


class GreeterAgent(Agent[dict[str, object]]):
    async def on_start(self) -> None:
        response = await self.request(
            "echo",
            "greeting.request",
            {"hello": "world"},
            timeout=5,
        )
        print("Got response:", response.data)
"""


def test_the_quick_start_answers_and_a_second_run_goes_on_counting(tmp_path):
    with redis_server(port=0) as server:
        (tmp_path / "agents.yaml").write_text(AGENTS.replace("6379", str(server.port)))
        (tmp_path / "my_agents.py").write_text(CODE)
        for seen in (1, 2):
            with started(cwd=tmp_path) as run:
                run.out.expect("Got response:")
                run.signal(signal.SIGINT)
                assert run.ended() == 0
            assert run.out.lines == [f"Got response: {{'reply': 'echo: world', 'seen': {seen}}}\n"]
