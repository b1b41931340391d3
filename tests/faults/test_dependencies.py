"""S14: whatever Redis denies a gateway, at whichever question, nothing is delivered that is not permitted."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from mas import Agent
from tests.hand import decided
from tests.redis.waiting import until
from tests.world import KEYS, Tally, asking, audit, running

ASKED = [
    "get",
    "getrange",
    "hget",
    "hmget",
    "smembers",
    "xreadgroup",
    "xlen",
    "xack",
    "evalsha",
    "time",
    "publish",
    "xadd",
    "setbit",
    "xdel",
    "expire",
    "hset",
    "incr",
    "type",
    "exists",
]
"""What a gateway asks of Redis or does there, by itself or in its scripts."""
GRANTED = [{"type": "allow", "from": "a", "to": "b"}]


class Receiver(Agent[dict[str, Any]]):
    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.got = Tally()

    async def on_message(self, message):
        self.got.note((message.sender_id, message.data))

    def on_refused(self, refusal):
        pass


@pytest.fixture
def gateway_url(redis_url):
    """The same Redis, for a user of the gateway's own that has all rights."""
    with asking(redis_url) as client:
        client.acl_setuser(
            "gw", enabled=True, passwords=["+pw"], keys=["*"], channels=["*"], commands=["+@all"]
        )
        yield f"unix://gw:pw@{urlsplit(redis_url).path}"
        client.acl_deluser("gw")


@pytest.mark.parametrize("command", ASKED)
async def test_a_command_that_is_denied_lets_nothing_through_and_loses_nothing(
    redis_url, gateway_url, command
):
    everywhere = {"permissions": GRANTED, "gateway": {"rate_limit": {"per_minute": 1_000_000}}}
    async with (
        running(
            redis_url,
            parts=frozenset({"service", "agents"}),
            **everywhere,
            a=Receiver,
            b=Receiver,
            c=Receiver,
        ) as agents,
        running(gateway_url, parts=frozenset({"gateway"}), **everywhere),
    ):
        a, b, c = (agents.agent(name) for name in "abc")
        with asking(redis_url) as client:
            await a.send("b", "x", 0, confirm=True)
            client.acl_setuser("gw", commands=[f"-{command}"], enabled=True)
            # Known to the gateway, not known, and not permitted.
            for sender, target in ((a, "b"), (c, "b"), (a, "nobody"), (c, "a")):
                for number in range(1, 4):
                    await sender.send(target, "x", number)
            told = len(audit(client))
            delivered = client.xinfo_stream("agent.stream:b")["entries-added"]
            assert delivered == len([r for r in audit(client) if r["decision"] == "ALLOWED"]) or told == 0
            client.acl_setuser("gw", commands=[f"+{command}"], enabled=True)
            assert await b.got.reaches(4) == [("a", number) for number in range(4)]
            await decided(client)
            await until(lambda: client.xlen(KEYS.ingress) == 0)
            records = [(r["sender"], r["target"], r["decision"]) for r in audit(client)]
    assert sorted(records) == sorted(
        [("a", "b", "ALLOWED")] * 4
        + [("c", "b", "AUTHZ_DENIED")] * 3
        + [("a", "nobody", "AUTHZ_DENIED")] * 3
        + [("c", "a", "AUTHZ_DENIED")] * 3
    )
    assert a.got.seen == c.got.seen == []
