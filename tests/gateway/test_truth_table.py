"""S13, authorization as one truth table: all that may be said of a pair, asked of a running gateway."""

import itertools
from typing import Any, NamedTuple

import pytest

from mas import Agent, Decision, MessageRefused
from mas.directory import SCRIPTS as DIRECTORY_SCRIPTS
from mas.directory import PolicyKeeper, rules_of
from mas.ids import AgentId
from mas.redis import open_redis
from mas.registry import SCRIPTS as REGISTRY_SCRIPTS
from mas.registry import revoke
from mas.settings import Settings
from mas.settings.structure import structure
from tests.hand import enrolled
from tests.redis.waiting import until
from tests.world import KEYRING, KEYS, asking, running

HERE, GONE, IDLE = "t.here", "t.gone", "t.idle"
ALL = [HERE, GONE, IDLE]


class Said(NamedTuple):
    """What the configuration says about a sender and its targets."""

    block: bool
    role: bool
    wildcard: bool
    allow: bool
    typed: bool
    """Whether the allowance is limited to orders."""


def model(said: Said, target: str, kind: str) -> Decision:
    granted = said.role or said.wildcard
    if said.allow and (not said.typed or kind.startswith("order.")):
        granted = True
    if said.block or not granted:
        return Decision.AUTHZ_DENIED
    return Decision.ALLOWED if target == HERE else Decision.TARGET_UNKNOWN


def permissions(said: Said) -> list[dict[str, Any]]:
    types = {"types": ["order.*"]} if said.typed else {}
    return [
        {"type": "role", "role": "r", "permissions": ["send:t.*"]},
        *([{"type": "assign", "agents": "sen*", "role": "r"}] if said.role else []),
        *([{"type": "block", "from": "sender", "to": ALL}] if said.block else []),
        *([{"type": "allow_wildcard", "agent": "sender"}] if said.wildcard else []),
        *([{"type": "allow", "from": "sender", "to": ALL, **types}] if said.allow else []),
    ]


class Quiet(Agent[dict[str, Any]]):
    async def on_message(self, message):
        pass


async def decision(agent, target, kind) -> Decision:
    try:
        await agent.send(target, kind, confirm=True)
    except MessageRefused as refused:
        return refused.decision
    return Decision.ALLOWED


@pytest.mark.parametrize("kind", ["order.new", "chat"])
async def test_every_combination_decides_as_the_model_does(redis_url, kind):
    scripts = (*DIRECTORY_SCRIPTS, *REGISTRY_SCRIPTS)
    asked, seen = 0, set()
    async with (
        running(redis_url, sender=Quiet, **{HERE: Quiet}) as system,
        open_redis(redis_url, scripts=scripts) as redis,
    ):
        with asking(redis_url) as client:
            await enrolled(system, client, IDLE)
            await revoke(redis, KEYS, KEYRING, AgentId(IDLE), None)
            await until(lambda: client.hget(KEYS.agent(AgentId(IDLE)), "status") == b"inactive")
        keeper = PolicyKeeper(redis, KEYS, KEYRING, [])
        for said in itertools.starmap(Said, itertools.product([False, True], repeat=len(Said._fields))):
            settings = structure({"permissions": permissions(said)}, Settings)
            await keeper.publish(rules_of(settings.permissions))
            for target in ALL:
                expected = model(said, target, kind)
                assert await decision(system.agent("sender"), target, kind) is expected, (said, target)
                asked += 1
                seen.add(expected)
    assert asked == 2 ** len(Said._fields) * len(ALL)
    assert seen == {Decision.ALLOWED, Decision.AUTHZ_DENIED, Decision.TARGET_UNKNOWN}
