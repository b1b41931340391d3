"""What must not travel does not: each action, seen at the receiver, in the audit and at the sender."""

from typing import Any

import pytest

from mas import Agent, Decision, MessageRefused
from tests.world import Tally, asking, audit, entries, letters, running

CARD = "4111 1111 1111 1111"
SSN = "536-90-4399"
MAIL = "maria.lopez@hospital-berlin.de"


class Desk(Agent[dict[str, Any]]):
    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.taken = Tally()

    async def on_message(self, message):
        self.taken.note(message.data)


class Clerk(Agent[dict[str, Any]]):
    """Sends."""


def everything_in(redis_url) -> str:
    with asking(redis_url) as redis:
        dump = [str(entries(redis, key)) for key in redis.scan_iter() if redis.type(key) == b"stream"]
    return "\n".join(dump)


async def test_a_card_is_blocked_and_its_sender_told_the_class_and_the_path(redis_url):
    async with running(redis_url, clerk=Clerk, desk=Desk) as system:
        with pytest.raises(MessageRefused) as refused:
            await system.agent("clerk").send("desk", "note", {"pay": f"card {CARD}"}, confirm=True)
        assert refused.value.decision is Decision.DLP_BLOCKED
        assert "credit_card" in refused.value.reason
        assert "$.pay" in refused.value.reason
        assert CARD not in refused.value.reason
        await system.agent("clerk").send("desk", "note", {"pay": "in cash"}, confirm=True)
        assert await system.agent("desk").taken.reaches(1) == [{"pay": "in cash"}]
    with asking(redis_url) as redis:
        blocked, passed = audit(redis)
        assert (blocked["decision"], blocked["violations"]) == ("DLP_BLOCKED", {"credit_card": 1})
        assert passed["decision"] == "ALLOWED"
        (letter,) = letters(redis)
        assert letter.get("envelope") is None
    assert CARD not in everything_in(redis_url)


@pytest.mark.parametrize(
    "payload",
    [
        {"note": f"her SSN is {SSN}"},
        {"ssn": int(SSN.replace("-", ""))},
        {"ssn": {SSN: "Maria"}},
        [f"SSN {SSN}"],
    ],
    ids=["text", "number", "key", "list"],
)
async def test_an_ssn_is_redacted_wherever_it_stands_and_does_not_arrive(redis_url, payload):
    async with running(redis_url, clerk=Clerk, desk=Desk) as system:
        await system.agent("clerk").send("desk", "note", payload, confirm=True)
        (taken,) = await system.agent("desk").taken.reaches(1)
        assert SSN not in str(taken)
        assert SSN.replace("-", "") not in str(taken)
        assert taken != payload
    with asking(redis_url) as redis:
        (record,) = audit(redis)
        assert (record["decision"], record["violations"]) == ("DLP_REDACTED", {"ssn": 1})
    left = everything_in(redis_url)
    assert SSN not in left
    assert SSN.replace("-", "") not in left


async def test_an_e_mail_address_passes_and_is_reported(redis_url):
    async with running(redis_url, clerk=Clerk, desk=Desk) as system:
        await system.agent("clerk").send("desk", "note", {"to": MAIL}, confirm=True)
        assert await system.agent("desk").taken.reaches(1) == [{"to": MAIL}]
    with asking(redis_url) as redis:
        (record,) = audit(redis)
        assert (record["decision"], record["violations"]) == ("DLP_ALERT", {"email": 1})
        assert MAIL not in str(record)


async def test_actions_follow_the_target_and_the_senders_role(redis_url):
    gateway = {
        "dlp": {
            "actions": {"email": "block"},
            "targets": {"desk": {"email": None}},
            "roles": {"auditor": {"credit_card": "alert"}},
        }
    }
    permissions = [
        {"type": "role", "role": "auditor", "permissions": ["send:vault"]},
        {"type": "assign", "agents": ["clerk"], "role": "auditor"},
        {"type": "allow", "from": "clerk", "to": "desk"},
        {"type": "allow", "from": "desk", "to": "vault"},
    ]
    async with running(
        redis_url, gateway=gateway, permissions=permissions, clerk=Clerk, desk=Desk, vault=Desk
    ) as system:
        clerk, desk = system.agent("clerk"), system.agent("desk")
        await clerk.send("desk", "note", {"to": MAIL}, confirm=True)
        with pytest.raises(MessageRefused):
            await clerk.send("vault", "note", {"to": MAIL}, confirm=True)
        await clerk.send("vault", "note", {"card": CARD}, confirm=True)
        with pytest.raises(MessageRefused):
            await desk.send("vault", "note", {"card": CARD}, confirm=True)
    with asking(redis_url) as redis:
        decided = [record["decision"] for record in audit(redis)]
    assert decided == ["ALLOWED", "DLP_BLOCKED", "DLP_ALERT", "DLP_BLOCKED"]


async def test_switched_off_nothing_is_scanned(redis_url):
    async with running(redis_url, gateway={"features": {"dlp": False}}, clerk=Clerk, desk=Desk) as system:
        await system.agent("clerk").send("desk", "note", {"pay": CARD}, confirm=True)
        assert await system.agent("desk").taken.reaches(1) == [{"pay": CARD}]
