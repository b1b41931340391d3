"""Under load at full speed, nothing is delivered after a grant is taken back: not one message, by stream ids.

The change and a marker in the target's own stream are one transaction, so the marker stands exactly where the
change does: whatever was committed after it has a later id.
"""

import itertools
from typing import Any

import anyio

from mas import Agent, Decision
from mas.directory import Policy, Rule, read_policy, write_policy
from mas.directory.keeper import REPLACE
from mas.directory.policy import VERSION_BYTES
from mas.ids import AgentId
from tests.hand import decided
from tests.redis.waiting import until
from tests.world import KEYRING, KEYS, asking, audit, running

TRIALS = 5
SENDERS = 64
STREAM = KEYS.stream(AgentId("b"))


class Mute(Agent[dict[str, Any]]):
    """Does not mind being refused."""

    async def on_message(self, message):
        pass

    def on_refused(self, refusal):
        pass


GRANT = Rule("allow", "a", "b")


def change(client, *, grants: bool) -> bytes:
    """Grant or take back that `a` may message `b`, and return the id of a marker put at the same moment."""
    stored = client.get(KEYS.policy)
    current = read_policy(KEYRING.record, KEYS, stored)
    policy = Policy([GRANT] if grants else [], gateway=current.gateway)
    written = write_policy(KEYRING.record, KEYS, policy)
    with client.pipeline(transaction=True) as both:
        both.eval(REPLACE.source, 1, KEYS.policy, stored[:VERSION_BYTES], written)
        both.xadd(STREAM, {"marker": ""})
        replaced, marker = both.execute()
    assert replaced == 1
    return bytes(marker)


async def test_nothing_is_delivered_after_the_very_moment_a_grant_is_taken_back(redis_url):
    grant = [{"type": "allow", "from": "a", "to": "b"}]
    async with (
        running(redis_url, permissions=grant, a=Mute, b=Mute) as one,
        running(redis_url, permissions=grant) as other,
    ):
        sender = one.agent("a")

        async def more(decision: Decision) -> None:
            def made() -> int:
                return int(one.decisions[decision] + other.decisions[decision])

            before = made()
            await until(lambda: made() > before + 500, within=30)

        async def flood():
            for number in itertools.count():
                await sender.send("b", "x", number)

        with asking(redis_url) as client:
            async with anyio.create_task_group() as crowd:
                for _ in range(SENDERS):
                    crowd.start_soon(flood)
                for _ in range(TRIALS):
                    await more(Decision.ALLOWED)
                    marker = change(client, grants=False)
                    await more(Decision.AUTHZ_DENIED)
                    assert client.xinfo_stream(STREAM)["last-generated-id"] == marker
                    change(client, grants=True)
                await more(Decision.ALLOWED)
                crowd.cancel_scope.cancel()
            await decided(client)
            records = audit(client)
            # Both gateways were at it, and what each allowed, it allowed under a policy that did.
            assert len({record["gateway"] for record in records}) == 2
            decided_under = {(record["policy"], record["decision"]) for record in records}
            assert len(decided_under) == len({policy for policy, _ in decided_under}) == 2 * TRIALS + 1
