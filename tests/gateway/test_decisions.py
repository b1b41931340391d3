"""Each decision, provoked as it would be: what its sender hears, and what is left of it where.

For every one: the error, the audit record, the count, the target's stream and the dead letters.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from mas import Agent, Decision, MessageRefused
from mas.ids import AgentId
from mas.message import decode
from tests.hand import Hand, decided, enrolled
from tests.redis.waiting import until
from tests.world import KEYS, Tally, asking, audit, entries, letters, running

CARD, SSN = "4532-0151-1283-0366", "536-22-8214"
B = AgentId("b")


class Receiver(Agent[dict[str, Any]]):
    """Handles what it is told, and cannot handle `bad`."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.got = Tally()

    @Agent.on("bad")
    async def fail(self, message, payload):
        raise OSError("broken")

    async def on_message(self, message):
        self.got.note(message.data)


WILD = [{"type": "allow_wildcard", "agent": "hand"}, {"type": "allow_wildcard", "agent": "a"}]
NO_GATEWAY = frozenset({"service", "agents"})


class Scene:
    """A system with agents `a` and `b`, and a hand that writes submissions itself."""

    def __init__(self, system: Any, client: Any, hand: Hand) -> None:
        self.system, self.client, self.hand = system, client, hand
        self.agent = system.agent("a")

    async def refused(self, data: Any = None, *, to: str = "b", kind: str = "tell", **how: Any):
        with pytest.raises(MessageRefused) as refused:
            await self.agent.send(to, kind, data, confirm=True, **how)
        return refused.value

    async def check(
        self, decision: Decision, *, letter: bool, envelope: bool = False, stage: str = ""
    ) -> None:
        """Check the record, the count and the dead letter of the one message decided so."""
        (record,) = [each for each in audit(self.client) if each["decision"] == decision]
        assert record.get("stage", "") == stage
        assert bool(record.get("reason")) is not (decision is Decision.ALLOWED)
        # The count follows the commit.
        await until(lambda: self.system.decisions[decision] == 1)
        assert sum(self.system.decisions.values()) == len(audit(self.client))
        found = [each for each in letters(self.client) if each["decision"] == decision]
        assert len(found) == letter
        assert [each.get("envelope") is not None for each in found] == [envelope] * len(found)
        for kept in found:
            # A letter leads to its record; one that was delivered has another, and its own receiver.
            given_up = decision is Decision.DEAD_LETTERED
            assert (kept["stage"], kept["policy"]) == (record["stage"], record["policy"])
            assert ("receiver" in kept, kept.get("attempts", 0)) == (given_up, int(given_up))
            ways = {each["decision"] for each in audit(self.client) if each["ingress"] == kept["ingress"]}
            assert ways == {"ALLOWED" if given_up else decision}

    @property
    def delivered(self) -> int:
        """How many entries were ever put into the target's stream."""
        return int(self.client.xinfo_stream(KEYS.stream(B))["entries-added"])


@pytest.fixture
def scene(redis_url):
    @contextmanager
    def client() -> Generator[Any]:
        with asking(redis_url) as opened:
            yield opened

    class Opened:
        def __init__(self, **how: Any) -> None:
            self._running = running(redis_url, **{"permissions": WILD, **how}, a=Receiver, b=Receiver)
            self._client = client()

        async def __aenter__(self) -> Scene:
            system = await self._running.__aenter__()
            opened = self._client.__enter__()
            return Scene(system, opened, await enrolled(system, opened, "hand"))

        async def __aexit__(self, *raised: object) -> Any:
            self._client.__exit__(None, None, None)
            return await self._running.__aexit__(*raised)

    return Opened


async def test_allowed(scene):
    async with scene() as s:
        await s.agent.send("b", "tell", 1, confirm=True)
        assert await s.system.agent("b").got.reaches(1) == [1]
        await s.check(Decision.ALLOWED, letter=False)
        assert s.delivered == 1


async def test_auth_failed(scene):
    async with scene() as s:
        s.client.delete(KEYS.token_hash(s.hand.agent, s.hand.instance))
        s.hand.send("b", confirm=True)
        await decided(s.client)
        await s.check(Decision.AUTH_FAILED, letter=True, stage="commit")
        assert (s.delivered, s.hand.mail()) == (0, [])


async def test_signature_invalid(scene):
    async with scene() as s:
        fields = s.hand.fields(s.hand.envelope("b", confirm=True))
        s.hand.submit({**fields, b"envelope": fields[b"envelope"].replace(b'"tell"', b'"told"')})
        await decided(s.client)
        await s.check(Decision.SIGNATURE_INVALID, letter=True, stage="signature")
        assert (s.delivered, s.hand.mail()) == (0, [])


async def test_replayed(scene):
    async with scene() as s:
        fields = s.hand.fields(s.hand.envelope("b"))
        s.hand.submit(fields)
        s.hand.submit(fields)
        await decided(s.client)
        await s.check(Decision.REPLAYED, letter=True, envelope=True, stage="commit")
        assert (s.delivered, s.hand.mail()) == (1, [])


async def test_authz_denied(scene):
    async with scene(permissions=WILD[:1]) as s:
        refused = await s.refused("not for you")
        assert refused.decision is Decision.AUTHZ_DENIED
        assert "nothing grants it" in refused.reason
        await s.check(Decision.AUTHZ_DENIED, letter=True, envelope=True, stage="authorize")
        assert s.delivered == 0


async def test_rate_limited(scene):
    async with scene(gateway={"rate_limit": {"per_minute": 1}}) as s:
        await s.agent.send("b", "tell", confirm=True)
        refused = await s.refused()
        assert refused.decision is Decision.RATE_LIMITED
        assert refused.retry_after is not None
        assert 0 < refused.retry_after <= 60
        await s.check(Decision.RATE_LIMITED, letter=True, envelope=True, stage="commit")
        assert s.delivered == 1


async def test_circuit_open(scene):
    async with scene() as s:
        s.client.hset(KEYS.circuit(B), mapping={"state": "open", "opened_at": f"{time.time():.6f}"})
        refused = await s.refused()
        assert refused.decision is Decision.CIRCUIT_OPEN
        assert refused.retry_after is not None
        assert 0 < refused.retry_after <= 30
        await s.check(Decision.CIRCUIT_OPEN, letter=True, envelope=True, stage="commit")
        assert s.delivered == 0


async def test_dlp_blocked(scene):
    async with scene() as s:
        refused = await s.refused({"card": CARD})
        assert refused.decision is Decision.DLP_BLOCKED
        assert CARD not in refused.reason
        await s.check(Decision.DLP_BLOCKED, letter=True, stage="dlp")
        assert s.delivered == 0


async def test_dlp_redacted(scene):
    async with scene() as s:
        await s.agent.send("b", "tell", {"note": f"her SSN is {SSN}"}, confirm=True)
        (got,) = await s.system.agent("b").got.reaches(1)
        assert SSN not in str(got)
        await s.check(Decision.DLP_REDACTED, letter=False, stage="dlp")
        assert s.delivered == 1


async def test_dlp_alert(scene):
    async with scene() as s:
        await s.agent.send("b", "tell", {"to": "maria.lopez@example.org"}, confirm=True)
        assert await s.system.agent("b").got.reaches(1) == [{"to": "maria.lopez@example.org"}]
        await s.check(Decision.DLP_ALERT, letter=False, stage="dlp")
        assert s.delivered == 1


async def test_backlog_full(scene):
    async with scene(gateway={"delivery": {"max_backlog": 1}}) as s:
        # Nobody reads the stream of the hand: what is sent to it waits.
        await s.agent.send("hand", "tell", confirm=True)
        refused = await s.refused(to="hand")
        assert refused.decision is Decision.BACKLOG_FULL
        await s.check(Decision.BACKLOG_FULL, letter=True, envelope=True, stage="commit")
        assert s.client.xlen(KEYS.stream(s.hand.agent)) == 1


async def test_target_unknown(scene):
    async with scene() as s:
        refused = await s.refused(to="nobody")
        assert refused.decision is Decision.TARGET_UNKNOWN
        await s.check(Decision.TARGET_UNKNOWN, letter=True, envelope=True, stage="authorize")
        assert not s.client.exists(KEYS.stream(AgentId("nobody")))


async def test_malformed(scene):
    async with scene() as s:
        s.hand.submit(s.hand.fields(b"{}"))
        await decided(s.client)
        await s.check(Decision.MALFORMED, letter=True, stage="shape")
        assert (s.delivered, s.hand.mail()) == (0, [])


async def test_too_large(scene):
    async with scene(gateway={"limits": {"max_envelope": 2048}}) as s:
        s.hand.send("b", data="x" * 3000, confirm=True)
        await decided(s.client)
        await s.check(Decision.TOO_LARGE, letter=True, stage="shape")
        (notice,) = s.hand.mail()
        assert b"TOO_LARGE" in bytes(decode(notice[b"envelope"]).data)
        assert s.delivered == 0
        # Through an agent it does not even come so far.
        refused = await s.refused("x" * 3000)
        assert refused.decision is Decision.TOO_LARGE
        assert "limits.max_envelope is 2,048" in refused.reason
        assert s.client.xinfo_stream(KEYS.ingress)["entries-added"] == 1


@pytest.mark.parametrize("wrong", ["proof", "name", "size", "token", "shape"])
async def test_too_large_and_nobody_knows_whose_it_is(scene, wrong):
    async with scene(gateway={"limits": {"max_envelope": 2048}}) as s:
        fields = s.hand.fields(
            s.hand.envelope("b", data="x" * (9000 if wrong == "size" else 3000), confirm=True)
        )
        if wrong == "proof":
            fields[b"signature"] = b"0" * 64
        elif wrong == "name":
            fields = s.hand.fields(fields[b"envelope"].replace(b'"sender_id":"hand"', b'"sender_id":"a"'))
        elif wrong == "shape":
            fields = s.hand.fields(b'{"data":"' + b"x" * 3000)
        elif wrong == "token":
            s.client.delete(KEYS.token_hash(s.hand.agent, s.hand.instance))
        s.hand.submit(fields)
        await decided(s.client)
        # Whether a token still stands is found by the commit, and is what the trail is then to say.
        decision = Decision.AUTH_FAILED if wrong == "token" else Decision.TOO_LARGE
        await s.check(decision, letter=True, stage="commit" if wrong == "token" else "shape")
        assert (s.delivered, s.hand.mail()) == (0, [])


async def test_expired(scene):
    async with scene() as s:
        s.hand.send("b", expires_at=time.time() - 1, confirm=True)
        await decided(s.client)
        await s.check(Decision.EXPIRED, letter=True, envelope=True, stage="lifetime")
        (notice,) = s.hand.mail()
        assert b"EXPIRED" in bytes(decode(notice[b"envelope"]).data)
        assert s.delivered == 0


async def test_dead_lettered(scene):
    async with scene(gateway={"delivery": {"max_attempts": 1}}) as s:
        with pytest.raises(MessageRefused) as refused:
            await s.agent.request("b", "bad", timeout=20)
        assert refused.value.decision is Decision.DEAD_LETTERED
        await until(lambda: s.client.xlen(KEYS.ingress) == 0)
        await s.check(Decision.DEAD_LETTERED, letter=True, envelope=True, stage="delivery")
        assert (s.delivered, s.client.xlen(KEYS.stream(B))) == (1, 0)


def test_no_decision_is_left_out():
    tested = {name.removeprefix("test_").upper() for name in globals() if name.startswith("test_")}
    assert set(Decision) <= tested


async def test_what_dlp_would_not_let_pass_is_not_kept_in_a_dead_letter_either(scene):
    async with scene(permissions=WILD[:1]) as s:
        for data in ({"card": CARD}, {"note": f"her SSN is {SSN}"}, {"plain": "words"}):
            assert (await s.refused(data)).decision is Decision.AUTHZ_DENIED
        blocked, redacted, plain = letters(s.client)
        assert blocked.get("envelope") is None
        assert "her" in str(redacted["envelope"]["data"])
        assert SSN not in str(redacted)
        assert plain["envelope"]["data"] == {"plain": "words"}


async def test_a_flood_that_proves_nothing_is_sampled_counted_and_costs_no_neighbour_its_record(scene):
    async with scene(gateway={"authentication": {"recorded_failures": 5}}) as s:
        forged = s.hand.fields(s.hand.envelope("b"))
        pipe = s.client.pipeline()
        for number in range(1000):
            claim = {b"agent": b"x%d" % number, b"signature": b"0" * 64}
            pipe.xadd(KEYS.ingress, {**forged, **(claim if number % 2 else {b"signature": b"0" * 64})})
        pipe.execute()
        s.hand.send("b", data="genuine")
        await s.system.agent("b").got.reaches(1)
        await decided(s.client)
        counts = s.system.decisions
        assert counts[Decision.AUTH_FAILED] + counts[Decision.SIGNATURE_INVALID] == 1000
        assert counts[Decision.ALLOWED] == 1
        # Whatever names and types a flood invents (S20).
        assert set(counts) == set(Decision)
        written = [record for record in audit(s.client) if record["decision"] != "ALLOWED"]
        # Five at once, five a second, and one in a hundred.
        assert 5 <= len(written) <= 100
        assert len(letters(s.client)) == len(written)
        assert [r for r in written if "about 99 more were only counted" in r["reason"]]
        await until(lambda: "prove nothing" in str(entries(s.client, KEYS.audit_security)))
