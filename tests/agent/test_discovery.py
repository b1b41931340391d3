"""S12: who finds whom."""

from typing import Any

from mas import Agent
from tests.world import running


class Plain(Agent[dict[str, Any]]):
    pass


def offering(*capabilities: str) -> dict[str, Any]:
    return {"class_path": Plain, "init_kwargs": {"capabilities": list(capabilities)}}


async def names(agent: Agent[Any], *capabilities: str) -> list[str]:
    return [peer.agent_id for peer in await agent.discover(*capabilities, timeout=5)]


async def test_an_agent_finds_by_capability_those_it_may_message_and_nobody_else(redis_url):
    permissions = [
        {"type": "allow", "from": "a", "to": ["b", "c", "e"]},
        {"type": "allow_wildcard", "agent": "d"},
        {"type": "block", "from": "d", "to": "c"},
        {"type": "block", "from": "a", "to": "e"},
    ]
    agents = {
        "a": offering("x"),
        "b": offering("x", "y"),
        "c": offering("y"),
        "d": offering("z"),
        "e": offering("x"),
        "f": offering(),
    }
    async with running(redis_url, permissions=permissions, **agents) as system:
        a, d, f = system.agent("a"), system.agent("d"), system.agent("f")
        assert await names(a) == ["b", "c"]
        assert await names(a, "x") == ["b"]
        assert await names(a, "y") == ["b", "c"]
        assert await names(a, "x", "y") == ["b"]
        assert await names(a, "z") == []
        assert await names(d) == ["a", "b", "e", "f"]
        assert await names(f) == []


async def test_a_permission_for_some_types_only_is_enough_to_be_found(redis_url):
    permissions = [{"type": "allow", "from": "a", "to": "b", "types": ["order.*"]}]
    async with running(redis_url, permissions=permissions, a=Plain, b=Plain) as system:
        assert await names(system.agent("a")) == ["b"]


async def test_a_long_list_of_peers_arrives_whole(redis_url):
    many = {f"agent-{n:03}": offering("x" * 100) for n in range(150)}
    permissions = [{"type": "allow_wildcard", "agent": "a"}]
    async with running(redis_url, permissions=permissions, a=Plain, **many) as system:
        assert await names(system.agent("a")) == sorted(many)
