"""The trail as a whole system writes it: complete, equal to what was decided, and sealed whoever dies."""

from typing import Any

import anyio
import msgspec
import pytest

from mas import Agent, MessageRefused
from mas.audit import AuditTrail, Events, Filter, Places, Trail
from mas.audit.access import outside_seals
from mas.audit.payload import decrypt
from mas.audit.record import AuditRecord
from mas.settings import AuditSettings
from mas.system import Part
from tests.audit.killed import leave_a_trail
from tests.redis.waiting import until
from tests.world import KEYRING, KEYS, Tally, asking, audit, data_dir, entries, running

COUNT = 2000
"""Messages, on either backend; `test_real_trail` does the same with 50,000, once."""
AGENTS: frozenset[Part] = frozenset({"agents"})


class Echo(Agent[dict[str, Any]]):
    def __init__(self, agent_id, **more):
        super().__init__(agent_id, **more)
        self.got = Tally()

    @Agent.on("tell")
    async def told(self, message, payload):
        self.got.note(message)


def trail_of(redis, redis_url):
    places = Places.of(AuditSettings(), data_dir(redis_url), data_dir(redis_url), "")
    return AuditTrail(redis, KEYS, KEYRING, Events(redis, KEYS, KEYRING, "test"), places), places


async def verified(redis, redis_url):
    trail, places = trail_of(redis, redis_url)
    return await trail.verify(outside=outside_seals(places.seals))


async def test_four_gateways_two_of_them_killed_leave_a_trail_that_verifies(
    redis_url, tmp_path, anyio_backend
):
    left = await leave_a_trail(redis_url, tmp_path, COUNT, anyio_backend)
    assert left.report.flaws == []
    assert left.report.exit_code == 0
    assert left.report.sealed >= COUNT
    fate = left.fate
    assert fate._replace(handled_dup=0) == (COUNT, COUNT, 0, COUNT, *[0] * 8), fate
    assert left.gateways > 1


async def test_each_decision_has_one_record_with_its_rule(redis_url):
    one_way = [{"type": "allow", "from": "a", "to": "b"}]
    async with running(redis_url, permissions=one_way, a=Echo, b=Echo) as system:
        for _ in range(5):
            await system.agent("a").send("b", "tell", confirm=True)
        with pytest.raises(MessageRefused):
            await system.agent("b").send("a", "tell", confirm=True)
        with asking(redis_url) as client:
            records = audit(client)
            allowed = [record for record in records if record["decision"] == "ALLOWED"]
            assert [record["rule"] for record in allowed] == ["permissions[0] allow"] * 5
            (denied,) = (record for record in records if record["decision"] != "ALLOWED")
            assert (denied["stage"], denied["decision"]) == ("authorize", "AUTHZ_DENIED")
            assert [record["count"] for record in records] == list(range(1, 7))


async def test_policy_changes_enrolments_and_departures_are_recorded(redis_url):
    async with running(redis_url, a=Echo, b=Echo):
        pass
    with asking(redis_url) as client:
        told = [entry["record"] for entry in entries(client, KEYS.audit_security)]
    for kind, times in (("POLICY_CHANGED", 1), ("ENROLLED", 2), ("LEFT", 2)):
        assert sum(f'"event":"{kind}"' in record for record in told) == times


async def test_everything_is_sealed_when_the_system_stops(redis_url):
    async with running(redis_url, a=Echo, b=Echo) as system:
        for _ in range(20):
            await system.agent("a").send("b", "tell")
        await system.agent("b").got.reaches(20)
    async with running(redis_url, parts=AGENTS) as system:
        trail, _ = trail_of(system.redis, redis_url)
        figures = await trail.stats()
        assert figures[Trail.MESSAGES]["unsealed"] == 0
        assert figures[Trail.SECURITY]["unsealed"] == 1, "the record of this look"
        assert (await verified(system.redis, redis_url)).flaws == []


async def test_a_forged_policy_raises_an_alarm_on_record(redis_url):
    async with running(redis_url, a=Echo, b=Echo) as system:
        with asking(redis_url) as client:
            client.set(KEYS.policy, b"f" * 32 + b" " + b"0" * 64 + b" []")
            with pytest.raises(MessageRefused):
                await system.agent("a").send("b", "tell", confirm=True)

            def alarmed():
                told = [entry["record"] for entry in entries(client, KEYS.audit_security)]
                return any('"ALARM"' in record and KEYS.policy in record for record in told)

            await until(alarmed)


async def test_a_gateway_stops_committing_while_too_much_is_unsealed_and_goes_on_after(redis_url):
    gateway = {"audit": {"max_unsealed": 1000, "seal_batch": 1000, "seal_interval": 60}}
    async with running(redis_url, gateway=gateway, a=Echo, b=Echo) as system:
        a, b = system.agent("a"), system.agent("b")
        await a.send("b", "tell", confirm=True)
        await system.root.stop("audit")
        with asking(redis_url) as client:
            for n in range(1200):
                await a.send("b", "tell", n)
            await until(lambda: client.xlen(KEYS.audit_messages) >= 1000)
            await until(lambda: any('"ALARM"' in e["record"] for e in entries(client, KEYS.audit_security)))
            assert client.xlen(KEYS.audit_messages) < 1000 + 64 + 1
            assert client.xlen(KEYS.ingress) > 0
            await system.root.start("audit")
            await b.got.reaches(1201)
            assert (await verified(system.redis, redis_url)).flaws == []


async def test_under_load_that_lasts_a_process_of_its_own_examines_unless_it_must_not(redis_url):
    with asking(redis_url) as client:

        def examined_apart():
            return any(listed["name"] == "mas:examiner" for listed in client.client_list())

        rounds = 0
        async with running(redis_url, a=Echo, b=Echo) as system:
            assert not examined_apart()
            while not examined_apart():
                rounds += 1
                await tell(system, 500, rounds * 500)
        assert not examined_apart()
        gateway = {"audit": {"own_process": False}}
        async with running(redis_url, gateway=gateway, a=Echo, b=Echo) as system:
            for already in range(2 * rounds):
                await tell(system, 500, (already + 1) * 500)
            assert not examined_apart()
            assert (await verified(system.redis, redis_url)).flaws == []
            assert client.xlen(KEYS.audit_messages) == 1500 * rounds


async def tell(system, count, handled):
    """Have `a` tell `b` so often, and wait until so many are handled in all."""

    async def some(count):
        for _ in range(count):
            await system.agent("a").send("b", "tell")

    async with anyio.create_task_group() as crowd:
        for _ in range(50):
            crowd.start_soon(some, count // 50)
    await system.agent("b").got.reaches(handled)


async def test_payloads_are_kept_only_encrypted_and_only_when_asked_for(redis_url):
    for kept in ("none", "encrypted"):
        async with running(redis_url, gateway={"audit": {"payload": kept}}, a=Echo, b=Echo) as system:
            await system.agent("a").send("b", "tell", {"canary": "CANARY-payload"}, confirm=True)
    with asking(redis_url) as client:
        without, with_it = (entry["record"] for entry in entries(client, KEYS.audit_messages))
        assert '"payload"' not in without
        assert "CANARY" not in without + with_it
        record = msgspec.json.decode(with_it, type=AuditRecord)
        assert decrypt(KEYRING, record) == b'{"canary":"CANARY-payload"}'


async def test_a_query_of_a_running_system_finds_what_was_refused(redis_url):
    one_way = [{"type": "allow", "from": "a", "to": "b"}]
    async with running(redis_url, permissions=one_way, a=Echo, b=Echo) as system:
        with pytest.raises(MessageRefused):
            await system.agent("b").send("a", "tell", confirm=True)
        trail, _ = trail_of(system.redis, redis_url)
        (found,) = [each async for each in trail.query(Filter(decision="AUTHZ_DENIED"))]
        assert (found.record["sender"], found.record["target"]) == ("b", "a")
