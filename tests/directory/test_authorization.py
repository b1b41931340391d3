"""Permissions changed from Python: checked step by step, in force together, or not at all."""

import time

import anyio
import pytest

from mas import Agent, ConfigurationError, Decision, MasError, MessageRefused
from mas.directory import read_policy
from mas.directory.keeper import INTERVAL
from mas.ids import AgentId
from tests.redis.waiting import until
from tests.world import KEYRING, KEYS, asking, entries, running


class Quiet(Agent[dict[str, object]]):
    async def on_message(self, message):
        pass


TRIO = dict.fromkeys(("a", "b", "patient1"), Quiet)


def opened(redis_url, permissions=(), **more):
    return running(redis_url, permissions=permissions, **TRIO, **more)


async def passes(system, sender, target, kind="x"):
    decision = None
    try:
        await system.agent(sender).send(target, kind, confirm=True)
    except MessageRefused as refused:
        decision = refused.decision
    assert decision in {None, Decision.AUTHZ_DENIED}
    return decision is None


def stored(client):
    return read_policy(KEYRING.record, KEYS, client.get(KEYS.policy))


async def test_a_chain_is_in_force_with_its_apply_and_not_before(redis_url):
    async with opened(redis_url) as system:
        chain = system.authorization.allow("a", "b", types=["order.*"]).role("ward", ["send:patient*"])
        chain = chain.assign("a", "ward")
        assert not await passes(system, "a", "b", "order.new")
        assert await chain.apply()
        assert await passes(system, "a", "b", "order.new")
        assert not await passes(system, "a", "b", "chat")
        assert await passes(system, "a", "patient1")
        assert not await chain.apply()
        assert await system.authorization.block("a", "patient1").apply()
        assert not await passes(system, "a", "patient1")
        assert await system.authorization.unblock("a", "patient1").unassign("a", "ward").apply()
        assert not await passes(system, "a", "patient1")
        assert await system.authorization.assign("b", "ward").apply()
        assert await passes(system, "b", "patient1")


@pytest.mark.parametrize(
    ("grant", "allowed", "denied"),
    [
        (lambda change: change.allow_bidirectional("a", "b"), {"ab", "ba"}, {"ap", "pa"}),
        (lambda change: change.allow_network(["a", "b", "patient1"]), {"ab", "ba", "ap", "pb"}, set()),
        (
            lambda change: change.allow_network(["a", "b", "patient1"], bidirectional=False),
            {"ab", "bp"},
            {"ba", "ap"},
        ),
        (lambda change: change.allow_broadcast("a", ["b", "patient1"]), {"ab", "ap"}, {"ba", "pa"}),
        (lambda change: change.allow_wildcard("a"), {"ab", "ap"}, {"ba"}),
    ],
)
async def test_each_kind_grants_what_its_entry_in_the_configuration_does(redis_url, grant, allowed, denied):
    names = {"a": "a", "b": "b", "p": "patient1"}
    async with opened(redis_url) as system:
        await grant(system.authorization).apply()
        for one, other in allowed | denied:
            assert await passes(system, names[one], names[other]) is (one + other in allowed)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda change: change.assign("a", "nobody"),
        lambda change: change.role("r", ["send:b"]).role("r", ["send:*"]),
        lambda change: change.role("r", ["read:b"]),
        lambda change: change.role("no role", ["send:b"]),
        lambda change: change.allow("a b", "b"),
        lambda change: change.allow("a", []),
        lambda change: change.allow("a", "b", types=["no type"]),
        lambda change: change.allow_bidirectional("a", "a"),
        lambda change: change.block("*", "b"),
        lambda change: change.allow("a", "b").block("a", "b"),
        lambda change: change.block(["a", "b"], "patient1").allow_broadcast("a", "patient1"),
    ],
)
async def test_what_cannot_be_meant_is_refused_at_once_and_changes_nothing(redis_url, wrong):
    async with opened(redis_url, [{"type": "allow", "from": "a", "to": "b"}]) as system:
        with asking(redis_url) as client:
            before = client.get(KEYS.policy)
            with pytest.raises(ConfigurationError):
                wrong(system.authorization.allow("b", "a"))
            assert client.get(KEYS.policy) == before


async def test_what_is_not_granted_cannot_be_taken_back_and_the_rest_of_the_chain_waits(redis_url):
    wild = [{"type": "allow_wildcard", "agent": "a"}, {"type": "allow", "from": "b", "to": "a"}]
    async with opened(redis_url, wild) as system:
        with asking(redis_url) as client:
            before = client.get(KEYS.policy)
            for wrong in (
                system.authorization.allow("b", "patient1").revoke("patient1", "a"),
                system.authorization.allow("a", "b").revoke("a", "b"),
                system.authorization.unblock("a", "b"),
                system.authorization.unassign("a", "ward"),
            ):
                with pytest.raises(ConfigurationError):
                    await wrong.apply()
                assert client.get(KEYS.policy) == before
        assert await system.authorization.revoke("a", "*").revoke("b", "a").apply()
        assert not await passes(system, "a", "b")
        assert not await passes(system, "b", "a")


async def test_roles_switched_off_cannot_be_given(redis_url):
    off = {"features": {"rbac": False}}
    async with opened(redis_url, gateway=off) as system:
        with pytest.raises(ConfigurationError, match="rbac"):
            system.authorization.role("r", ["send:b"])


async def test_without_a_gateway_nobody_authorizes(redis_url):
    async with running(redis_url), running(redis_url, parts=frozenset({"service"})) as other:
        with pytest.raises(MasError, match="gateway"):
            _ = other.authorization


async def test_changes_made_at_the_same_time_all_count_and_are_audited(redis_url):
    async with opened(redis_url) as one, running(redis_url) as other, anyio.create_task_group() as tasks:
        for number in range(20):
            system = (one, other)[number % 2]
            tasks.start_soon(system.authorization.allow(f"x{number}", "b").apply)
    with asking(redis_url) as client:
        assert {f"x{n}" for n in range(20)} <= {rule.sender for rule in stored(client).rules}
        changes = [e for e in entries(client, KEYS.audit_security) if "POLICY_CHANGED" in e["record"]]
        assert len(changes) >= 20


async def test_a_change_made_elsewhere_is_what_is_put_back_after_a_flush(redis_url):
    async with opened(redis_url) as one, running(redis_url) as other:
        await other.authorization.allow("a", "b").apply()
        with asking(redis_url) as client:
            published = client.get(KEYS.policy)
            # Both look every INTERVAL; one of them must have seen it, and puts it back.
            await anyio.sleep(INTERVAL + 0.5)
            client.delete(KEYS.policy)
            await until(lambda: client.exists(KEYS.policy))
            assert stored(client).rules == read_policy(KEYRING.record, KEYS, published).rules
            assert await passes(one, "a", "b")


async def test_a_forged_policy_is_replaced_with_an_alarm(redis_url):
    async with opened(redis_url, [{"type": "allow", "from": "a", "to": "b"}]) as system:
        with asking(redis_url) as client:
            good = stored(client).rules
            client.set(KEYS.policy, b"0" * 32 + b" " + b"f" * 64 + b' [{"effect":"allow"}]')
            assert not await passes(system, "a", "b") or stored(client).rules == good
            await until(lambda: client.get(KEYS.policy)[:4] != b"0000")
            assert stored(client).rules == good
            assert await passes(system, "a", "b")
            await until(lambda: [e for e in entries(client, KEYS.audit_security) if "ALARM" in e["record"]])


async def test_nothing_is_delivered_once_a_grant_is_taken_back(redis_url):
    """By stream ids: what was committed before `apply` returned is all there ever is."""
    async with opened(redis_url, [{"type": "allow", "from": "a", "to": "b"}]) as system:
        sender, sent = system.agent("a"), 0

        async def flood(scope):
            nonlocal sent
            with scope:
                while True:
                    async with anyio.create_task_group() as some:
                        for number in range(64):
                            some.start_soon(sender.send, "b", "x", number)
                    sent += 64

        with asking(redis_url) as client:
            scope = anyio.CancelScope()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(flood, scope)
                await until(lambda: sent > 1000)
                await system.authorization.revoke("a", "b").apply()
                last = client.xinfo_stream(KEYS.stream(AgentId("b")))["last-generated-id"]
                at_revoke = sent
                await until(lambda: sent > at_revoke + 1000)
                scope.cancel()
            await until(lambda: client.xlen(KEYS.ingress) == 0)
            assert client.xinfo_stream(KEYS.stream(AgentId("b")))["last-generated-id"] == last
            assert int(last.split(b"-")[0]) <= time.time() * 1000
