"""What an answer may hold and cost, whatever messages or Redis say, and without Redis."""

import re
import subprocess
import sys
import threading
from typing import Any

import anyio
import pytest
import redis as blocking

from mas import Agent, ConfigurationError, MessageRefused
from mas.ids import AgentId
from mas.keys import Keys
from mas.ops.labels import LARGEST, MOST_OTHERS, OTHERS, Labels
from mas.ops.stored import LOOK, look
from mas.redis import open_redis
from mas.testing.server import redis_server
from tests.ops.asking import ask, series, shown, until_said
from tests.redis.waiting import until
from tests.world import KEYS, asking


class Loud(Agent[dict[str, Any]]):
    """Sends what it is told to."""


def labels_of(text, name):
    return {found[1] for each in series(text) if (found := re.fullmatch(rf'{name}{{\w+="(.*)"}}', each))}


async def test_what_messages_say_makes_no_series(redis_url):
    gateway = {"audit": {"seal_interval": 0.1}}
    async with shown(redis_url, gateway=gateway, a=Loud, b=Loud) as (system, port):
        a = system.agent("a")
        with pytest.raises(MessageRefused):
            await a.send("nobody", "first", {}, confirm=True)

        def sealed(said):
            return "mas_audit_seal_age_seconds" in said.text

        before = series((await until_said(port, "/metrics", sealed)).text).keys()
        for n in range(300):
            await a.send(f"flood-{n}", f"flood.type-{n}", {f"flood-key-{n}": n})
        counted = 'mas_decisions_total{decision="TARGET_UNKNOWN"}'
        denied = 'mas_decisions_total{decision="AUTHZ_DENIED"}'

        def decided(said):
            found = series(said.text)
            return found[counted] + found[denied] == 301

        said = await until_said(port, "/metrics", decided)
        assert series(said.text).keys() == before
        for path in ("/metrics", "/api/state", "/", "/readyz"):
            assert "flood" not in (await ask(port, path)).text


async def test_agents_that_somebody_planted_in_redis_are_bounded_for_good(redis_url):
    with asking(redis_url) as client:
        async with shown(redis_url, a=Loud) as (_, port):
            seen = set()
            for wave in range(4):
                names = [f"planted-{wave}-{n}" for n in range(700)]
                with client.pipeline() as pipe:
                    pipe.delete(*client.scan_iter("agent.stream:planted*"), "agent.stream:none")
                    pipe.sadd(KEYS.agents, *names, 'x"} 1\nmas_planted 1', "<script>", "\xff")
                    for name in names:
                        pipe.xadd(KEYS.stream(AgentId(name)), {"x": ""})
                        pipe.hset(KEYS.circuit(AgentId(name)), "state", f"planted-{name}")
                    pipe.execute()
                await until_said(
                    port, "/metrics", lambda said: series(said.text)["mas_agents_registered"] >= 700
                )
                text = (await ask(port, "/metrics")).text
                shown_now = labels_of(text, "mas_delivery_backlog")
                assert OTHERS in shown_now
                assert len(shown_now) <= LARGEST + 1
                assert labels_of(text, "mas_circuits") == {"closed", "half-open", "open"}
                assert "mas_planted" not in series(text)
                seen |= shown_now
                client.srem(KEYS.agents, *names)
                await until_said(
                    port, "/metrics", lambda said: series(said.text)["mas_agents_registered"] < 700
                )
            assert LARGEST < len(seen) <= MOST_OTHERS + 1
            page = (await ask(port, "/")).text
            assert "<script>" not in page


def test_the_agents_of_the_configuration_always_have_their_series():
    labels = Labels(["a", "b"])
    for n in range(10 * MOST_OTHERS):
        labels.of(f"other-{n}")
    assert (labels.of("a"), labels.of("b"), labels.of("new"), labels.of("other-3")) == (
        "a",
        "b",
        OTHERS,
        "other-3",
    )
    assert labels.largest([("a", 0), ("b", 7), ("new", 2), ("newer", 3)]) == {"b": 7, OTHERS: 5}


async def test_a_look_is_one_command_whatever_the_number_of_agents(redis_url):
    commands, ready = [], threading.Event()

    def listen(client):
        with client.monitor() as monitor:
            ready.set()
            for each in monitor.listen():
                if "the end" in each["command"]:
                    return
                if each["client_type"] != "lua":
                    commands.append(each["command"])

    with asking(redis_url) as client, blocking.Redis.from_url(redis_url, client_name="mas:testing") as other:
        client.sadd(KEYS.agents, *(f"agent-{n}" for n in range(500)))
        async with open_redis(redis_url, scripts=[LOOK]) as redis, anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, listen, other)
            await until(ready.is_set)
            stored = await look(redis, Keys(), [AgentId("agent-7"), AgentId("agent-that-is-gone")])
            await redis.call("ECHO", "the end")
    assert stored.agents[0].agent == "agent-7"
    assert len(stored.agents) == 500
    assert [command.split()[0] for command in commands] == ["EVALSHA"]


async def test_whoever_asks_within_a_second_shares_one_look(redis_url):
    async with shown(redis_url, a=Loud) as (_, port), anyio.create_task_group() as tasks:
        with asking(redis_url) as client:

            def looks():
                return client.info("commandstats").get("cmdstat_xrevrange", {}).get("calls", 0)

            await ask(port, "/metrics")
            before, began = looks(), anyio.current_time()
            for _ in range(50):
                tasks.start_soon(ask, port, "/readyz")
            await ask(port, "/metrics")
            assert looks() - before <= 3 + 3 * (anyio.current_time() - began)


async def test_without_redis_the_process_says_what_it_knows(anyio_backend):
    with redis_server(port=0) as server:
        async with shown(server.url, a=Loud, b=Loud) as (system, port):
            await system.agent("a").send("b", "kept", {}, confirm=True)
            before = series((await until_said(port, "/metrics", lambda s: "mas_ready 1" in s.text)).text)
            for take_away, bring_back in ((server.suspend, server.resume), (server.kill, server.start)):
                take_away()
                said = await until_said(port, "/readyz", lambda said: said.status == 503)
                assert {"what": "redis", "why": "does not answer"} in said.json["not_well"]
                now = series((await ask(port, "/metrics")).text)
                assert now["mas_redis_up"] == now["mas_ready"] == 0
                name = 'mas_decisions_total{decision="ALLOWED"}'
                assert now[name] == before[name] > 0
                assert "mas_ingress_backlog" not in now
                facts = {each["key"]: each["text"] for each in (await ask(port, "/api/state")).json["facts"]}
                assert facts["redis"] == "down"
                assert facts["ingress"] == "–"
                assert (await ask(port, "/")).status == (await ask(port, "/healthz")).status == 200
                bring_back()
                await until_said(port, "/readyz", lambda said: said.status == 200, within=30)


async def test_a_policy_that_nobody_with_the_secret_wrote_makes_it_unready(redis_url):
    async with shown(redis_url, a=Loud) as (_, port):
        with asking(redis_url) as client:
            assert "mas_policy_valid 1" in (await ask(port, "/metrics")).text
            good = client.get(KEYS.policy)
            # Whoever keeps the policy puts it back, so it is taken away until that was seen.
            with anyio.fail_after(20):
                while (said := await ask(port, "/readyz")).status == 200:
                    client.set(KEYS.policy, b"f" * 32 + b" " + good[33:])
            assert said.json["not_well"] == [
                {"what": "policy", "why": "cannot be read or trusted: everything is denied"}
            ]
            await until_said(port, "/readyz", lambda said: said.status == 200)


async def test_a_look_survives_keys_that_hold_something_else(redis_url):
    keys = Keys("odd")
    with asking(redis_url) as client:
        for place in (keys.agents, keys.audit_seals, keys.ingress, keys.dead_letters, keys.audit_sealed):
            client.set(place, "mischief")
        async with open_redis(redis_url) as redis:
            stored = await look(redis, keys, [AgentId("a")])
    assert (stored.agents, stored.ingress, stored.seals, stored.dead_letters) == ((), 0, 0, 0)


@pytest.mark.parametrize("seal", [b"", b"no json", b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"])
async def test_a_look_survives_whatever_stands_where_a_seal_should(redis_url, seal):
    with asking(redis_url) as client:
        client.xadd(KEYS.audit_seals, {"seal": seal, "signature": "x"})
        async with open_redis(redis_url) as redis:
            stored = await look(redis, KEYS, [AgentId("a")])
    assert stored.seals == 0
    assert stored.sealed is not None


def test_the_face_loads_nothing_of_it():
    code = (
        "import mas, mas.system, sys; print(*(n for n in sys.modules if n in ('h11', 'prometheus_client')))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""


@pytest.mark.parametrize("missing", ["h11", "prometheus_client"])
async def test_what_is_not_installed_is_named(redis_url, monkeypatch, missing):
    for name in [name for name in sys.modules if name.startswith("mas.ops.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigurationError, match=rf"ops\.port.* need {missing}.*mas-runtime\[ops\]"):
        async with shown(redis_url, a=Loud):
            pytest.fail("it started")
