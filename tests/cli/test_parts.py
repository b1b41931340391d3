"""The parts of a system in processes of their own, on one Redis and with one secret."""

import pytest

from mas.testing.server import redis_server
from tests.cli.process import started, write

CODE = """
from mas import Agent

class Adder(Agent):
    @Agent.on("add")
    async def add(self, message, _):
        await message.reply("sum", {"sum": sum(message.data["numbers"])})

class Pupil(Agent):
    async def on_start(self):
        for number in range(20):
            reply = await self.request("adder", "add", {"numbers": [number, 1]}, timeout=20)
            print(reply.data["sum"], flush=True)
        print("done", flush=True)
"""
AGENTS = """
start_gateway: true
permissions: [{type: allow, from: pupil, to: adder}]
agents:
  - {agent_id: adder, class_path: people:Adder, instances: 2}
  - {agent_id: pupil, class_path: people:Pupil}
"""
SECRET = "a secret that both processes share"


@pytest.fixture
def shared():
    """Give what both processes are told: a Redis on a port, and the secret."""
    with redis_server(port=0) as server:
        yield {"MAS_SERVICE_REDIS_URL": server.url, "MAS_SECRET": SECRET}


@pytest.mark.parametrize("first", ["gateway", "agents"])
def test_a_gateway_and_agents_talk_whoever_starts_first(tmp_path, anyio_backend, shared, first):
    write(tmp_path, code=CODE, agents=AGENTS)
    second = {"gateway": "agents", "agents": "gateway"}[first]
    options = ("--backend", anyio_backend)
    with (
        started("run", "--only", first, *options, cwd=tmp_path, **shared) as one,
        started("run", "--only", second, *options, cwd=tmp_path, **shared) as other,
    ):
        agents, gateway = (other, one) if first == "gateway" else (one, other)
        agents.out.expect("done")
        assert agents.out.lines == [f"{number + 1}\n" for number in range(20)] + ["done\n"]
        assert agents.stop() == 0
        assert gateway.stop() == 0
    assert gateway.out.lines == []
    assert not (tmp_path / ".mas" / "secret").exists()


def test_a_gateway_runs_without_agents(tmp_path, shared):
    write(tmp_path, agents="permissions: []")
    with started("run", "--only", "gateway", "--only", "service", cwd=tmp_path, **shared) as run:
        run.ready()
        assert '"agents": 0' in str(run.err)
        assert run.stop() == 0


def test_agents_without_the_gateways_secret_are_not_believed(tmp_path, shared):
    write(tmp_path, code=CODE, agents=AGENTS)
    stranger = {**shared, "MAS_SECRET": "another secret, as long as needed"}
    with (
        started("run", "--only", "gateway", cwd=tmp_path, **shared) as gateway,
        started("run", "--only", "agents", cwd=tmp_path, **stranger) as agents,
    ):
        gateway.err.expect("its MAC is missing or wrong")
        agents.stop()
        assert gateway.stop() == 0
    assert agents.out.lines == []
