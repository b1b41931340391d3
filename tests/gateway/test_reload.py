"""Permissions and gateway settings are put in force together, on every gateway, while messages flow."""

import json
import time
from typing import Any

import anyio
import pytest

from mas import Agent, ConfigurationError, Decision, MessageRefused
from mas.directory import Policy, Rule, read_policy, write_policy
from mas.settings import load
from tests.hand import decided, enrolled
from tests.redis.waiting import until
from tests.world import KEYRING, KEYS, asking, audit, deployment, entries, running

MAIL = {"to": "maria.lopez@example.org"}
SSN = {"note": "her SSN is 536-22-8214"}


class Quiet(Agent[dict[str, Any]]):
    @Agent.on("bad")
    async def fail(self, message, payload):
        raise OSError("broken")

    async def on_message(self, message):
        pass


async def decision(agent, to="b", data=None, kind="x"):
    try:
        await agent.send(to, kind, data, confirm=True)
    except MessageRefused as refused:
        return refused.decision
    return Decision.ALLOWED


class Place:
    """A running system, and its configuration to be changed."""

    def __init__(self, redis_url, system) -> None:
        self.redis_url, self.system = redis_url, system
        self.a = system.agent("a")

    async def reload(self, gateway=None, permissions=None, options=None):
        config = deployment(
            self.redis_url,
            gateway=gateway,
            permissions=permissions,
            options=options,
            a=__name__ + ":Quiet",
            b=__name__ + ":Quiet",
        )
        return await self.system.reload(load(config, environ={}))


@pytest.fixture
async def place(redis_url, anyio_backend):
    async with running(redis_url, a=__name__ + ":Quiet", b=__name__ + ":Quiet") as system:
        yield Place(redis_url, system)


@pytest.mark.parametrize(
    ("gateway", "data", "expected"),
    [
        ({"rate_limit": {"per_minute": 1}}, {}, Decision.RATE_LIMITED),
        ({"rate_limit": {"pairs": {"a -> b": {"per_hour": 1}}}}, {}, Decision.RATE_LIMITED),
        ({"limits": {"max_envelope": 1024}}, {"long": "x" * 2000}, Decision.TOO_LARGE),
        ({"dlp": {"actions": {"email": "block"}}}, MAIL, Decision.DLP_BLOCKED),
        ({"delivery": {"max_backlog": 1}}, {}, Decision.BACKLOG_FULL),
        (
            {"dlp": {"custom": [{"name": "x", "pattern": "zap+", "action": "block"}]}},
            "zapp",
            Decision.DLP_BLOCKED,
        ),
    ],
    ids=["rate", "pair", "size", "dlp", "backlog", "custom"],
)
async def test_each_setting_binds_with_the_reload_and_is_gone_with_the_next(place, gateway, data, expected):
    if expected is Decision.BACKLOG_FULL:
        place.system.seats[1].life.pause()
    for _ in range(2):
        assert await decision(place.a, data=data) in {Decision.ALLOWED, Decision.DLP_ALERT}
    reloaded = await place.reload(gateway)
    assert (reloaded.changed, reloaded.waiting) == (True, ())
    told = [await decision(place.a, data=data) for _ in range(2)]
    assert told[-1] is expected
    assert (await place.reload()).changed
    for _ in range(2):
        assert await decision(place.a, data=data) is Decision.ALLOWED
    assert not (await place.reload()).changed


async def test_a_feature_is_switched_off_and_on_again(place):
    async def scanned():
        await place.a.send("b", "x", SSN, confirm=True)
        with asking(place.redis_url) as client:
            return audit(client)[-1]["decision"]

    assert await scanned() == "DLP_REDACTED"
    await place.reload({"features": {"dlp": False}})
    assert await scanned() == "ALLOWED"
    await place.reload()
    assert await scanned() == "DLP_REDACTED"


async def test_what_guards_a_proof_and_a_target_is_switched_off_and_on_again(place):
    wild = [{"type": "allow_wildcard", "agent": "hand"}]
    off = {"features": {"message_signing": False, "circuit_breaker": False}}
    with asking(place.redis_url) as client:
        hand = await enrolled(place.system, client, "hand")
        client.hset("circuit:b", mapping={"state": "open", "opened_at": f"{time.time():.6f}"})

        async def told() -> list[str]:
            forged = hand.fields(hand.envelope("b")) | {b"signature": b"0" * 64}
            for fields in (forged, hand.fields(hand.envelope("b"))):
                hand.submit(fields)
                await decided(client)
            return [record["decision"] for record in audit(client)[-2:]]

        await place.reload(permissions=wild)
        assert await told() == ["SIGNATURE_INVALID", "CIRCUIT_OPEN"]
        await place.reload(off, wild)
        assert await told() == ["ALLOWED", "ALLOWED"]
        await place.reload(permissions=wild)
        assert await told() == ["SIGNATURE_INVALID", "CIRCUIT_OPEN"]


async def test_without_roles_their_grants_are_gone_and_none_can_be_given(place):
    roles = [
        {"type": "role", "role": "teller", "permissions": ["send:b"]},
        {"type": "assign", "agent": "a", "role": "teller"},
    ]
    await place.reload(permissions=roles)
    assert await decision(place.a) is Decision.ALLOWED
    await place.reload({"features": {"rbac": False}}, roles)
    assert await decision(place.a) is Decision.AUTHZ_DENIED
    with pytest.raises(ConfigurationError, match="rbac"):
        place.system.authorization.assign("a", "teller")
    await place.reload(permissions=roles)
    assert await decision(place.a) is Decision.ALLOWED


async def test_a_reload_binds_the_gateways_of_other_processes_too_and_is_audited(redis_url):
    async with running(redis_url, a=__name__ + ":Quiet", b=__name__ + ":Quiet") as one:
        async with running(redis_url, parts=frozenset({"gateway"}), permissions=one.settings.permissions):
            pass
        place = Place(redis_url, one)
        async with running(redis_url, parts=frozenset({"gateway"})) as other:
            # Its own configuration, which grants nothing, is the last one that was put in force.
            assert await decision(place.a) is Decision.AUTHZ_DENIED
            await place.reload({"rate_limit": {"per_hour": 3}})
            told = [await decision(place.a) for _ in range(20)]
            assert told == [Decision.ALLOWED] * 3 + [Decision.RATE_LIMITED] * 17
            await until(
                lambda: other.decisions[Decision.RATE_LIMITED] + one.decisions[Decision.RATE_LIMITED] == 17
            )
    with asking(redis_url) as client:
        told = [json.loads(entry["record"]) for entry in entries(client, KEYS.audit_security)]
        details = [event["detail"] for event in told if event["event"] == "POLICY_CHANGED"]
        assert details[-1] == "2 rules; changed: rate_limit.per_hour"


async def test_no_message_sees_half_of_a_change(place):
    """Permissions and data loss prevention change together, back and forth, while messages flow."""
    to_b = [{"type": "allow", "from": "a", "to": "b"}], {"dlp": {"actions": {"email": "block"}}}
    to_a = [{"type": "allow", "from": "a", "to": "a"}], {"dlp": {"actions": {"email": None}}}
    enough = anyio.Event()

    async def flood(target):
        while not enough.is_set():
            async with anyio.create_task_group() as some:
                for _ in range(20):
                    some.start_soon(place.a.send, target, "x", MAIL)

    await place.reload(to_b[1], to_b[0])
    async with anyio.create_task_group() as tasks:
        for target in ("a", "b"):
            tasks.start_soon(flood, target)
        for number in range(10):
            permissions, gateway = (to_a, to_b)[number % 2]
            await place.reload(gateway, permissions)
            await anyio.sleep(0.05)
        enough.set()
    with asking(place.redis_url) as client:
        await until(lambda: client.xlen(KEYS.ingress) == 0)
        seen = {(r["target"], r["decision"]) for r in audit(client)}
        versions = {r["policy"] for r in audit(client)}
    assert seen == {("b", "DLP_BLOCKED"), ("b", "AUTHZ_DENIED"), ("a", "ALLOWED"), ("a", "AUTHZ_DENIED")}
    assert len(versions) > 5


async def test_a_change_from_python_leaves_the_settings_in_force(place):
    await place.reload({"rate_limit": {"per_hour": 2}})
    await place.system.authorization.block("b", "a").apply()
    told = [await decision(place.a) for _ in range(3)]
    assert told == [Decision.ALLOWED] * 2 + [Decision.RATE_LIMITED]


async def test_what_waits_for_a_restart_is_named_and_the_rest_is_in_force(place, caplog):
    gateway = {
        "delivery": {"lease": 7, "max_backlog": 9},
        "redis": {"connect_timeout": 3},
        "audit": {"sink": "none"},
    }
    reloaded = await place.reload(gateway, options={"shutdown_grace": 3})
    assert reloaded == (
        True,
        ("shutdown_grace", "gateway.audit.sink", "gateway.delivery.lease", "gateway.redis.connect_timeout"),
    )
    (warning,) = [record for record in caplog.records if "waits for a restart" in record.getMessage()]
    assert warning.__dict__["keys"] == "delivery.lease"
    with asking(place.redis_url) as client:
        stored = client.get(KEYS.policy)
    settings = read_policy(KEYRING.record, KEYS, stored).settings
    assert settings is not None
    assert settings.delivery.max_backlog == 9


async def test_neither_addresses_nor_examples_go_into_the_policy(redis_url):
    custom = {"name": "code", "pattern": "CANARY-[0-9]+", "must_match": ["CANARY-12"]}
    gateway = {"dlp": {"custom": [custom]}, "audit": {"sink_command": ["CANARY-command"]}}
    async with running(redis_url, gateway=gateway):
        with asking(redis_url) as client:
            stored = client.get(KEYS.policy)
    assert b"CANARY-[0-9]" in stored
    assert b"CANARY-12" not in stored
    assert b"CANARY-command" not in stored
    assert redis_url.encode() not in stored


async def test_settings_that_no_gateway_of_this_release_knows_deny_everything_with_an_alarm(place):
    odd = Policy([Rule("allow", "*", "*")], gateway=b'{"features":{"telepathy":true}}')
    with asking(place.redis_url) as client:
        good = client.get(KEYS.policy)
        client.set(KEYS.policy, write_policy(KEYRING.record, KEYS, odd))
        # The keeper puts the last good ones back.
        await until(lambda: client.get(KEYS.policy)[:32] != odd.version.encode())
        assert (
            read_policy(KEYRING.record, KEYS, client.get(KEYS.policy)).gateway
            == read_policy(KEYRING.record, KEYS, good).gateway
        )
        await until(lambda: "telepathy" in str(entries(client, KEYS.audit_security)))
    assert await decision(place.a) is Decision.ALLOWED
