"""A system that runs, and what an operator types beside it."""

import json
from contextlib import contextmanager

from mas.ids import AgentId
from mas.testing.server import redis_server
from tests.cli.process import mas, started, write
from tests.world import KEYS, entries

CODE = """
import anyio
from mas import Agent

class Scribe(Agent):
    here = None

    @Agent.on("write")
    async def write(self, message, _):
        print(f"written: {message.data}", flush=True)

    @Agent.on("echo")
    async def echo(self, message, _):
        await message.reply("echoed", message.data)

    @Agent.on("keep")
    async def keep(self, message, _):
        print(f"kept for {message.sender_id}", flush=True)

    @Agent.on("fail")
    async def fail(self, message, _):
        raise ValueError("it cannot")

    @Agent.on("meet")
    async def meet(self, message, _):
        here, self.here = self.here, None if self.here else anyio.Event()
        if here is None:
            await self.here.wait()
        else:
            here.set()
        await message.reply("met", message.data)

    @Agent.on("notify")
    async def notify(self, message, _):
        for number in range(message.data):
            await self.send(message.sender_id, "note", number, confirm=True)
        await message.reply("notified", None)

class Author(Agent):
    @Agent.on("note")
    async def note(self, message, _):
        print(f"author noted {message.data}", flush=True)
"""
AGENTS = """
permissions:
  - {type: allow, from: [ops, gone, out], to: [scribe]}
  - {type: allow_wildcard, agent: boss}
  - {type: allow, from: author, to: [scribe], types: [echo, notify]}
  - {type: allow, from: scribe, to: [author, out]}
agents:
  - {agent_id: scribe, class_path: "people:Scribe"}
  - {agent_id: author, class_path: "people:Author", init_kwargs: {capabilities: [writing]}}
"""
GATEWAY = """
delivery: {max_attempts: 2, backoff_first: 0.01, backoff_cap: 0.01}
features: {circuit_breaker: false}
dlp: {actions: {email: redact}}
"""
SECRET = {"MAS_SECRET": "a secret of sixteen bytes and more"}


class House:
    """A system that runs, and what is typed beside it."""

    def __init__(self, directory, server, run):
        self.directory, self.server, self.run = directory, server, run
        self.client = server.client()

    @property
    def where(self):
        return {"cwd": self.directory, "MAS_SERVICE_REDIS_URL": self.server.url, **SECRET}

    def typed(self, *words, code=0):
        done = mas(*words, **self.where)
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr
        return done.stderr if code else done.stdout

    def typing(self, *words):
        return started(*words, **self.where)

    def instances(self, agent):
        return {name.decode() for name in self.client.smembers(KEYS.instances(AgentId(agent)))}

    def lasting(self):
        """Return the keys that do not end by themselves, but for the audit trail and dead letters."""
        keys = [key.decode() for key in self.client.scan_iter() if self.client.ttl(key) == -1]
        return {key for key in keys if not key.startswith(("audit:", "dlq:"))}

    def events(self, agent):
        told = [json.loads(entry["record"]) for entry in entries(self.client, KEYS.audit_security)]
        return [each for each in told if each["subject"].startswith(f"{agent}:guest-")]


@contextmanager
def house_at(directory, backend, *parts, **env):
    """Run a system on a server of its own.

    :param parts: more of the command line
    """
    with redis_server(port=0, password="operator", appendonly="yes") as server:
        where = {"MAS_SERVICE_REDIS_URL": server.url, **SECRET, **env}
        write(directory, code=CODE, agents=AGENTS, gateway=GATEWAY)
        with started("run", "--backend", backend, *parts, cwd=directory, **where) as run:
            house = House(directory, server, run.ready())
            try:
                yield house
            finally:
                house.client.close()
            assert run.stop() == 0
