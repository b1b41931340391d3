"""What a test of `mas doctor` asks: a deployment on disk, and what is found in it."""

import msgspec

from mas.cli.doctor import examine
from mas.clock import SYSTEM
from tests.cli.process import write

SECRET, PASSWORD = "CANARY-secret-0123456789abcdef", "CANARY-password"

CODE = """
from mas import Agent

class Echo(Agent):
    @Agent.on("ping")
    async def ping(self, message, _):
        await message.reply("pong")
"""
AGENTS = 'agents: [{agent_id: echo, class_path: "people:Echo"}]\n'


def deploy(directory, *, redis_url=None, agents=AGENTS, gateway="", more=""):
    """Write a deployment; return its directory."""
    url = f"service_redis_url: {redis_url}\n" if redis_url else ""
    return write(directory, code=CODE, agents=url + more + agents, gateway=gateway)


async def found(directory, *, clock=SYSTEM, **environ):
    """Return what the doctor finds, by check; whatever it is, no secret and no password is in it."""
    environ = {"MAS_SECRET": SECRET, **environ}
    findings = await examine(
        directory, environ={name: value for name, value in environ.items() if value}, clock=clock
    )
    assert b"CANARY" not in msgspec.json.encode(findings)
    return {each.check: each for each in findings}


def verdict(finding):
    return str(finding.verdict)


def without(findings, *verdicts):
    """Return the findings with another verdict than these, as lines to read in a failed assertion."""
    return [f"{each.check}: {each.said}" for each in findings.values() if each.verdict not in verdicts]
