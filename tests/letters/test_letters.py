"""Dead letters: listed, shown, redriven through the gateway, purged; and never an edited one."""

import json
import time
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from mas import Agent, IntegrityError, MasError, MessageRefused
from mas.decision import Decision
from mas.ids import AgentId
from mas.letters import LetterDesk, Redrive, Selection, write_order
from mas.redis import open_redis, open_subscriber
from mas.registry import leave
from tests.cli.process import mas, write
from tests.hand import decided, enrolled
from tests.redis.waiting import until
from tests.world import (
    KEYRING,
    KEYS,
    SECRET,
    Tally,
    asking,
    audit,
    data_dir,
    deployment,
    entries,
    letters,
    running,
)


class Fragile(Agent[dict[str, Any]]):
    """Fails until it is mended."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.works = False
        self.got = Tally()

    @Agent.on("ask")
    async def ask(self, message, payload):
        self.got.note(message.data)
        if not self.works:
            raise OSError("broken")
        await message.reply("answer", 42)


BOTH = [{"type": "allow_network", "agents": ["a", "b"]}]
ONE_ATTEMPT = {"delivery": {"max_attempts": 1}, "features": {"circuit_breaker": False}}


class Office:
    """A desk whose doings and alarms are noted."""

    def __init__(self, redis: Any, subscriber: Any, archive: Path) -> None:
        self.done: list[tuple[str, str]] = []
        self.alarms: list[tuple[str, str]] = []
        self.redis = redis
        self.archive = archive
        self.desk = LetterDesk(
            redis,
            KEYS,
            KEYRING,
            actor="me",
            audit=self._audit,
            alarm=lambda *told: self.alarms.append(told),
            archive=archive,
        )
        self.redrive = partial(self.desk.redrive, subscriber=subscriber, within=10)

    async def _audit(self, letter: str, did: str) -> None:
        self.done.append((letter, did))

    async def all(self, **selection: Any) -> list[Any]:
        return [filed async for filed in self.desk.select(Selection(**selection))]


@asynccontextmanager
async def office(redis_url):
    async with open_redis(redis_url) as redis, open_subscriber(redis_url) as subscriber:
        yield Office(redis, subscriber, data_dir(redis_url) / "dead-letters")


async def bury(agent, data=None, target="b"):
    with pytest.raises(MessageRefused):
        await agent.request(target, "ask", data, timeout=20)


async def test_a_redriven_letter_is_delivered_as_it_was_recorded_and_gone(redis_url):
    async with (
        running(redis_url, gateway=ONE_ATTEMPT, a=Fragile, b=Fragile) as system,
        office(redis_url) as at,
    ):
        a, b = system.agent("a"), system.agent("b")
        await bury(a, {"n": 1})
        b.works = True
        (filed,) = await at.all()
        assert (filed.letter.decision, filed.letter.attempts) == (Decision.DEAD_LETTERED, 1)
        outcome = await at.redrive(filed.id)
        assert (outcome.letter, outcome.decision) == (filed.id, Decision.ALLOWED)
        assert await b.got.reaches(2) == [{"n": 1}, {"n": 1}]
        assert await at.all() == []
        with pytest.raises(MasError, match="no dead letter"):
            await at.redrive(filed.id)
        with asking(redis_url) as client:
            await decided(client)
            redriven = [r for r in audit(client) if "redriven by me" in r.get("reason", "")]
            assert [(r["decision"], r["sender"], r["target"]) for r in redriven] == [("ALLOWED", "a", "b")]
            # The answer to it passed on the permit that came with it.
            await until(lambda: [r for r in audit(client) if r.get("type") == "answer"])
            assert {r["decision"] for r in audit(client) if r.get("type") == "answer"} == {"ALLOWED"}
        assert at.done == [(filed.id, "redrive")]


async def test_what_is_still_forbidden_is_refused_again_and_stays(redis_url):
    async with running(redis_url, permissions=[], a=Fragile, b=Fragile) as system, office(redis_url) as at:
        await bury(system.agent("a"))
        (filed,) = await at.all(decision=Decision.AUTHZ_DENIED)
        for _ in range(2):
            assert (await at.redrive(filed.id)).decision is Decision.AUTHZ_DENIED
        assert [each.id for each in await at.all()] == [filed.id]
        assert system.agent("b").got.seen == []
        system.agent("b").works = True
        await system.authorization.allow("a", "b").apply()
        assert (await at.redrive(filed.id)).decision is Decision.ALLOWED
        await system.agent("b").got.reaches(1)
        with asking(redis_url) as client:
            assert [r["decision"] for r in audit(client)][:4] == ["AUTHZ_DENIED"] * 3 + ["ALLOWED"]


async def test_a_full_backlog_refuses_a_redrive_too(redis_url):
    small = {"delivery": {"max_backlog": 1}}
    async with running(redis_url, gateway=small, a=Fragile, b=Fragile) as system, office(redis_url) as at:
        with asking(redis_url) as client:
            system.seats[1].life.pause()
            a = system.agent("a")
            await a.send("b", "ask", 1, confirm=True)
            with pytest.raises(MessageRefused):
                await a.send("b", "ask", 2, confirm=True)
            (filed,) = await at.all()
            assert (await at.redrive(filed.id)).decision is Decision.BACKLOG_FULL
            assert [each.id for each in await at.all()] == [filed.id]
            assert client.xlen(KEYS.stream(AgentId("b"))) == 1


async def test_an_answer_to_one_that_is_gone_is_not_to_be_redriven_into_the_void(redis_url):
    wild = [{"type": "allow_wildcard", "agent": "hand"}]
    async with running(redis_url, permissions=wild, b=Fragile) as system, office(redis_url) as at:
        with asking(redis_url) as client:
            b, hand = system.agent("b"), await enrolled(system, client, "hand")
            hand.send("b", "ask", 1, correlation_id="1" * 32)
            await b.got.reaches(1)
            await leave(system.redis, KEYS, hand.agent, hand.instance, in_flight=60)
            b.works = True
            await until(lambda: letters(client))
            (filed,) = await at.all()
            assert (filed.letter.decision, filed.letter.target) == (Decision.TARGET_UNKNOWN, "hand")
            assert (await at.redrive(filed.id)).decision is Decision.TARGET_UNKNOWN
            assert [each.id for each in await at.all()] == [filed.id]
            assert not client.exists(KEYS.instance_stream(hand.agent, hand.instance))


async def test_redriven_by_several_at_once_it_is_delivered_once(redis_url):
    async with (
        running(redis_url, permissions=BOTH, gateway=ONE_ATTEMPT, a=Fragile, b=Fragile) as system,
        running(redis_url, permissions=BOTH),
        office(redis_url) as at,
    ):
        await bury(system.agent("a"))
        b = system.agent("b")
        b.works = True
        (filed,) = await at.all()
        with asking(redis_url) as client:
            for number in range(20):
                order = Redrive(f"order{number}", filed.id, time.time() + 60, "me")
                client.xadd(KEYS.ingress, {"redrive": write_order(KEYRING.record, KEYS, order)})
            await b.got.reaches(2)
            await decided(client)
            assert client.xinfo_stream(KEYS.stream(AgentId("b")))["entries-added"] == 2
            assert letters(client) == []


async def test_an_edited_letter_and_a_forged_order_are_refused_with_an_alarm(redis_url):
    async with running(redis_url, permissions=[], a=Fragile, b=Fragile) as system, office(redis_url) as at:
        await bury(system.agent("a"), {"pay": 1})
        (filed,) = await at.all()
        with asking(redis_url) as client:
            await system.authorization.allow_wildcard("a").apply()
            ((entry, fields),) = client.xrange(KEYS.dead_letters)
            client.xdel(KEYS.dead_letters, entry)
            edited = client.xadd(
                KEYS.dead_letters, {"letter": fields[b"letter"].replace(b'"pay":1', b'"pay":9')}
            ).decode()
            assert [each.letter for each in await at.all()] == [None]
            for refusing in (at.desk.show(edited), at.redrive(edited)):
                with pytest.raises(IntegrityError):
                    await refusing
            assert at.alarms
            # Nor does a gateway believe it, whoever orders it.
            order = Redrive("x", edited, time.time() + 60, "me")
            good = write_order(KEYRING.record, KEYS, order)
            stale = write_order(KEYRING.record, KEYS, Redrive("y", edited, time.time() - 1, "me"))
            for stored in (good, stale, b"0" * 64 + good[64:], good[:-3] + b'x"}', b""):
                client.xadd(KEYS.ingress, {"redrive": stored})
            client.xadd("mas.gateway.ingress:a", {"redrive": good})
            await decided(client)
            refused = audit(client)[1:]
            assert {r["decision"] for r in refused} == {"MALFORMED"}
            assert [r["reason"] for r in refused if r["stage"] == "redrive"] == [
                "the letter is not as a gateway wrote it",
                "the order waited too long",
            ]
            assert len(refused) == 5
            await until(lambda: "it is not obeyed" in str(entries(client, KEYS.audit_security)))
            await until(lambda: "it is not taken up" in str(entries(client, KEYS.audit_security)))
            assert system.agent("b").got.seen == []
            assert filed.id != edited


async def test_a_letter_without_its_message_cannot_be_redriven(redis_url):
    async with running(redis_url, a=Fragile, b=Fragile) as system, office(redis_url) as at:
        with pytest.raises(MessageRefused):
            await system.agent("a").send("b", "ask", "4532-0151-1283-0366", confirm=True)
        (filed,) = await at.all(decision=Decision.DLP_BLOCKED)
        with pytest.raises(MasError, match="not kept"):
            await at.redrive(filed.id)


async def test_letters_are_purged_by_id_age_and_decision_and_the_purge_is_told_first(redis_url):
    async with running(redis_url, permissions=[], a=Fragile, b=Fragile) as system, office(redis_url) as at:
        for number in range(3):
            await bury(system.agent("a"), number)
        first, second, third = await at.all()
        assert [each.id for each in await at.all(before=second.at)] in ([first.id], [])
        assert await at.all(decision=Decision.EXPIRED) == []
        assert await at.desk.purge([first.id]) == 1
        assert await at.desk.purge([first.id, second.id]) == 1
        assert await at.all(before=time.time() + 60, decision=Decision.AUTHZ_DENIED) == [third]
        assert [did for _, did in at.done] == ["purge of 1 dead letters", "purge of 2 dead letters"]
        for wrong in ("+", "-", "1", "1-1 ", "x"):
            with pytest.raises(MasError, match="no id"):
                await at.desk.show(wrong)


async def test_without_a_gateway_the_order_waits_and_says_so(redis_url):
    async with running(redis_url, permissions=[], a=Fragile, b=Fragile) as system, office(redis_url) as at:
        await bury(system.agent("a"))
        (filed,) = await at.all()
    async with office(redis_url) as at:
        with pytest.raises(MasError, match="no gateway"):
            await at.redrive(filed.id, within=0.2)
    async with running(redis_url, permissions=[]), anyio.create_task_group():
        with asking(redis_url) as client:
            await decided(client)
            assert [r["decision"] for r in audit(client)] == ["AUTHZ_DENIED", "AUTHZ_DENIED"]


async def test_the_commands_list_show_redrive_and_purge(redis_url, tmp_path):
    config = deployment(redis_url, permissions=[], a=Fragile, b=Fragile)
    listed = [{"agent_id": name, "class_path": "people:Echo"} for name in "ab"]
    write(tmp_path, agents=json.dumps({**config, "agents": listed}))
    run = partial(mas, cwd=tmp_path, MAS_SECRET=SECRET)
    async with running(redis_url, permissions=[], a=Fragile, b=Fragile) as system:
        for number in range(2):
            await bury(system.agent("a"), {"n": number, "text": "a\x1b[31m"})
        shown = run("dlq", "list", "--json")
        first, second = json.loads(shown.stdout)
        assert (first["decision"], first["sender"], first["genuine"]) == ("AUTHZ_DENIED", "a", True)
        table = run("dlq", "list", "--decision", "AUTHZ_DENIED")
        assert [line.split()[0] for line in table.stdout.splitlines()] == ["ID", first["id"], second["id"]]
        text = run("dlq", "show", first["id"])
        assert '"n": 0' in text.stdout
        assert "\x1b" not in text.stdout
        refused = await anyio.to_thread.run_sync(partial(run, "dlq", "redrive", first["id"]))
        assert (refused.returncode, "AUTHZ_DENIED" in refused.stdout) == (77, True), refused
        await system.authorization.allow("a", "b").apply()
        redriven = await anyio.to_thread.run_sync(partial(run, "dlq", "redrive", first["id"], "--json"))
        assert (redriven.returncode, json.loads(redriven.stdout)[0]["decision"]) == (0, "ALLOWED"), redriven
        assert run("dlq", "redrive", first["id"]).returncode == 1
        assert run("dlq", "purge").returncode == 2
        assert run("dlq", "purge", "--decision", "NONE").returncode == 78
        assert run("dlq", "purge", "--older-than", "1").stdout == "0 purged\n"
        assert run("dlq", "purge", second["id"]).stdout == "1 purged\n"
        with asking(redis_url) as client:
            told = [json.loads(entry["record"]) for entry in entries(client, KEYS.audit_security)]
            did = [event["detail"] for event in told if event["event"] == "CONTROL"]
            assert did == ["redrive", "redrive", "purge of 1 dead letters"]
            client.hset(
                KEYS.circuit(AgentId("b")), mapping={"state": "open", "failures": 9, "opened_at": "1"}
            )
            assert "open" in run("circuits", "list").stdout
            assert json.loads(run("circuits", "list", "--json").stdout)[0]["failures"] == 9
            assert run("circuits", "reset", "b").stdout == "b: closed\n"
            assert not client.exists(KEYS.circuit(AgentId("b")))
            assert json.loads(run("circuits", "reset", "b", "--json").stdout) == {
                "agent": "b",
                "reset": False,
            }
