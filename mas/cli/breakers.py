"""What `mas circuits` does."""

from pathlib import Path

import anyio
import click
import msgspec

from mas.audit import EventKind
from mas.cli.deployment import reaching
from mas.cli.table import table
from mas.gateway.breakers import Circuit, circuits, reset
from mas.ids import agent_id


def show_circuits(config: Path | None, *, as_json: bool) -> None:
    """Print every circuit.

    :raises RedisUnavailable: if Redis does not answer
    """
    found: list[Circuit] = anyio.run(_circuits, config, backend="trio")
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        return
    rows = [(each.agent, each.state, each.failures, each.handled) for each in found]
    for line in table(("AGENT", "STATE", "FAILURES", "HANDLED"), rows):
        click.echo(line)


def reset_circuit(config: Path | None, agent: str, *, as_json: bool) -> None:
    """Close one circuit and say whether there was one.

    :raises InvalidId: if that can be no agent
    :raises RedisUnavailable: if Redis does not answer
    """
    was_there: bool = anyio.run(_reset, config, agent, backend="trio")
    if as_json:
        click.echo(msgspec.json.encode({"agent": agent, "reset": was_there}))
    else:
        click.echo(f"{agent}: closed" if was_there else f"{agent}: was closed, without a failure")


async def _circuits(config: Path | None) -> list[Circuit]:
    async with reaching(config) as there:
        return await circuits(there.redis, there.keys)


async def _reset(config: Path | None, agent: str) -> bool:
    who = agent_id(agent)
    async with reaching(config) as there:
        await there.events.write(EventKind.CONTROL, who, actor=there.actor, detail="reset of its circuit")
        return await reset(there.redis, there.keys, who)
