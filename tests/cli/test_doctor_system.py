"""What `mas doctor` finds about a system: who runs, and what waits; each in the bad state that it is for."""

import json
import time
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import yaml

import mas
from mas import Agent
from mas.audit.signing import SealKey
from mas.cli.exits import MISCONFIGURED, REFUSED
from mas.system import ALL
from mas.testing.server import redis_server
from tests.cli.clinic import AGENTS, PASSWORD, SECRET, deploy, found, verdict, without
from tests.cli.process import PATIENCE, started
from tests.cli.process import mas as run_mas
from tests.redis.waiting import until

PERMISSIONS = "permissions: [{type: allow, from: echo, to: echo}]\n"


class Echo(Agent[Any]):
    """As in the file, but for tests that run it in this process."""


class Broken(Agent[Any]):
    async def on_start(self):
        raise ArithmeticError("out of order")


@pytest.fixture
def server():
    with redis_server(password=PASSWORD, appendonly="yes") as server:
        yield server


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


@pytest.fixture
def office(tmp_path, server):
    gateway = """
    audit: {max_unsealed: 1000, seal_batch: 100, seal_interval: 0.1}
    dead_letters: {max_letters: 10}
    delivery: {max_backlog: 10, lease: 1, ingress_retention: 60}
    """
    return deploy(tmp_path, redis_url=server.url, more=PERMISSIONS, gateway=gateway)


@asynccontextmanager
async def running(directory, *parts, cls=Echo):
    """Run what lies in a directory, in this process."""
    config = yaml.safe_load((directory / "agents.yaml").read_text())
    config["gateway"] = yaml.safe_load((directory / "gateway.yaml").read_text())
    config["agents"][0]["class_path"] = cls
    config["data_dir"] = str(directory / ".mas")
    wanted = frozenset(parts) or ALL
    async with mas.open_system(config, environ={"MAS_SECRET": SECRET}, parts=wanted) as system:
        yield system


async def sealed(client):
    await until(lambda: client.exists("audit:sealer") and client.xlen("audit:seals"))


async def test_all_is_well_while_a_system_runs_on_its_own_server(tmp_path):
    deploy(tmp_path, more=PERMISSIONS)
    seals, secret = tmp_path / ".mas" / "audit-seals.jsonl", tmp_path / ".mas" / "secret"
    with started(cwd=tmp_path) as run:
        run.ready()
        await until(lambda: seals.exists() and seals.read_text())
        ended = run_mas("doctor", "--json", cwd=tmp_path)
        report = {each["check"]: each for each in json.loads(ended.stdout)}
        assert [each for each in report.values() if each["verdict"] != "ok"] == []
        assert (ended.returncode, ended.stderr) == (0, "")
        assert secret.read_text().strip() not in ended.stdout
        assert run.stop() == 0
    assert report["runners"]["said"].endswith("(agents, gateway, service)")
    assert report["instances"]["said"] == "1 alive, of 1 agents"


async def test_an_embedded_server_that_runs_with_another_secret(tmp_path):
    deploy(tmp_path, more=PERMISSIONS)
    with started(cwd=tmp_path, MAS_SECRET=SECRET) as run:
        run.ready()
        other = await found(tmp_path, MAS_SECRET="CANARY-0123456789-of-another")
        none = await found(tmp_path, MAS_SECRET="")
        assert run.stop() == 0
    assert (verdict(other["redis"]), other["redis"].exit_code) == ("fail", REFUSED)
    assert (verdict(none["redis"]), none["redis"].said) == ("unknown", "the deployment's secret is not here")


async def test_all_is_well_while_a_system_runs(office, client):
    async with running(office):
        await sealed(client)
        findings = await found(office)
    assert without(findings, "ok") == []
    assert findings["permissions"].said == "in force as the files have it, 1 rules"


async def test_after_an_orderly_end_nothing_is_amiss_but_that_nothing_runs(office):
    async with running(office):
        pass
    findings = await found(office)
    assert {name for name, each in findings.items() if verdict(each) != "ok"} == {
        "runners",
        "gateways",
        "sealer",
    }
    assert without(findings, "ok", "warn") == []


# Who runs


async def test_agents_without_a_gateway(office, client):
    async with running(office, "agents", "service"):
        findings = await found(office)
        assert verdict(findings["gateways"]) == "fail"
        assert "mas run --only gateway" in findings["gateways"].mend


async def test_mail_and_no_gateway(office, client):
    client.xadd("mas.gateway.ingress", {"field": "value"})
    finding = (await found(office))["gateways"]
    assert (verdict(finding), "1 messages wait" in finding.said) == ("fail", True)


async def test_gateways_that_fell_silent_are_named(office, client):
    client.sadd("mas.gateways", "there-1", "there-2")
    client.set("mas.gateway.lease:there-2", "held")
    finding = (await found(office))["gateways"]
    assert (verdict(finding), finding.said) == ("ok", "there-2; there-1 fell silent")


async def test_gateways_and_no_sealer(office, client):
    client.sadd("mas.gateways", "there-1")
    client.set("mas.gateway.lease:there-1", "held")
    assert verdict((await found(office))["sealer"]) == "fail"
    client.set("audit:sealer", "0 held")
    assert verdict((await found(office))["sealer"]) == "ok"


async def test_an_agent_that_failed_more_often_than_it_may(office, server):
    agents = AGENTS.replace("agent_id: echo", "agent_id: echo, max_restarts: 0")
    deploy(office, agents=agents, more=PERMISSIONS, redis_url=server.url)
    async with running(office, cls=Broken):
        with anyio.fail_after(PATIENCE):
            finding = (await found(office))["runners"]
            while verdict(finding) == "ok":  # the tree that was put up last may be the one before
                finding = (await found(office))["runners"]
    assert (verdict(finding), "agents/echo" in finding.said) == ("fail", True)
    assert "out of order" in finding.said


async def test_a_runner_that_has_not_told_for_long(office, client):
    async with running(office) as system:
        with anyio.fail_after(PATIENCE):
            while True:  # it may tell just now
                client.pexpire(f"mas.runner:{system.name}", 5000)
                finding = (await found(office))["runners"]
                if verdict(finding) != "ok":
                    break
    assert (verdict(finding), finding.said) == ("warn", f"silent: {system.name}")


async def test_another_secret_than_the_system_has(office, client):
    async with running(office):
        await sealed(client)
        findings = await found(office, MAS_SECRET="CANARY-0123456789-of-another")
    assert verdict(findings["permissions"]) == "fail"
    assert "secret" in findings["permissions"].mend
    assert verdict(findings["instances"]) == "fail"


async def test_no_secret_where_a_system_has_run_with_one(office):
    async with running(office):
        pass
    findings = await found(office, MAS_SECRET="")
    assert (verdict(findings["secret"]), findings["secret"].exit_code) == ("fail", MISCONFIGURED)
    assert findings["permissions"].said == "the deployment's secret is not here"
    assert not (office / ".mas" / "secret").exists()


async def test_files_that_say_otherwise_than_what_is_in_force(office):
    async with running(office):
        with (office / "agents.yaml").open("a") as file:
            file.write("namespace: ''\n")
        assert verdict((await found(office))["permissions"]) == "ok"
        text = (office / "agents.yaml").read_text()
        (office / "agents.yaml").write_text(text.replace("type: allow,", "type: block,"))
        finding = (await found(office))["permissions"]
        assert (verdict(finding), "mas policy reload" in finding.mend) == ("warn", True)
        (office / "agents.yaml").write_text(text)
        (office / "gateway.yaml").write_text("rate_limit: {per_minute: 5}\n")
        assert verdict((await found(office))["permissions"]) == "warn"


async def test_another_key_than_the_chain_of_seals_asks_for(office, client):
    async with running(office):
        await sealed(client)
    assert verdict((await found(office))["seals"]) == "ok"
    key = office / ".mas" / "audit.key"
    key.unlink()
    assert verdict((await found(office))["seals"]) == "unknown"
    SealKey.new().save(key)
    finding = (await found(office))["seals"]
    assert (verdict(finding), "audit.key_file" in finding.mend) == ("fail", True)


async def test_what_stands_last_in_the_chain_is_no_seal(office, client):
    client.xadd("audit:seals", {"seal": "{}", "signature": "none"})
    finding = (await found(office))["seals"]
    assert (verdict(finding), finding.mend) == ("fail", "mas audit verify")


async def test_a_registration_that_somebody_wrote(office, client):
    client.sadd("mas.agents", "intruder")
    client.hset("agent:intruder", mapping={"record": "forged", "status": "active"})
    finding = (await found(office))["instances"]
    assert (verdict(finding), "intruder" in finding.said) == ("fail", True)


async def test_an_instance_without_a_sign_of_life(office, client):
    async with running(office, "agents", "gateway") as system:
        who = f"echo:{system.seats[0].instance}"
        client.delete(who.replace("echo:", "agent:echo:heartbeat:"))
        finding = (await found(office))["instances"]
    assert (verdict(finding), who in finding.said) == ("warn", True)


async def test_an_open_circuit(office, client):
    client.sadd("mas.agents", "weary")
    client.hset("circuit:weary", mapping={"state": "open", "failures": 5, "opened_at": time.time()})
    finding = (await found(office))["circuits"]
    assert (verdict(finding), "weary" in finding.said) == ("warn", True)


# What waits


@pytest.mark.parametrize(("count", "expected"), [(799, "ok"), (800, "warn"), (1000, "fail")])
async def test_records_that_nobody_seals(office, client, count, expected):
    with client.pipeline() as pipe:
        for _ in range(count + 5):
            pipe.xadd("audit:messages", {"record": "{}"})
        pipe.hset("audit:sealed", "messages", 5)
        pipe.execute()
    finding = (await found(office))["unsealed records"]
    assert (verdict(finding), finding.said.startswith(f"{count:,} of at most 1,000")) == (expected, True)


@pytest.mark.parametrize(("seconds", "expected"), [(0, "ok"), (10, "warn"), (40, "fail")])
@pytest.mark.parametrize(
    "stream", ["mas.gateway.ingress", "mas.gateway.ingress:afar", "mas.gateway.ingress:near"]
)
async def test_messages_that_wait_for_a_gateway(office, client, stream, seconds, expected):
    client.sadd("mas.outsiders", "afar")
    client.sadd("mas.confined", "near")
    client.xadd(stream, {"field": "value"}, id=f"{int((time.time() - seconds) * 1000)}-0")
    client.xadd(stream, {"field": "value"})
    finding = (await found(office))["ingress"]
    assert (verdict(finding), finding.said.startswith("2 wait")) == (expected, True), finding


@pytest.mark.parametrize(("count", "expected"), [(7, "ok"), (8, "warn"), (10, "fail")])
async def test_mail_that_piles_up(office, client, count, expected):
    client.sadd("mas.agents", "echo", "other")
    client.xgroup_create("agent.stream:echo", "agents", id="0", mkstream=True)
    for _ in range(count):
        client.xadd("agent.stream:echo", {"field": "value"})
    finding = (await found(office))["mail"]
    assert verdict(finding) == expected
    assert ("senders are refused" in finding.said) == (expected == "fail")


async def test_mail_that_nobody_can_read(office, client):
    client.sadd("mas.agents", "echo", "other")
    for agent in ("echo", "other"):
        client.xgroup_create(f"agent.stream:{agent}", "agents", id="0", mkstream=True)
        client.xadd(f"agent.stream:{agent}", {"field": "value"})
    assert verdict((await found(office))["mail"]) == "ok"
    client.xgroup_destroy("agent.stream:echo", "agents")
    finding = (await found(office))["mail"]
    assert (verdict(finding), "waits for echo cannot be read" in finding.said) == ("warn", True)


@pytest.mark.parametrize("stream", ["agent.stream:echo", "agent.stream:echo:gone"])
async def test_messages_whose_receiver_fell_silent(office, client, stream):
    client.sadd("mas.agents", "echo", "other")
    client.sadd("agent:echo:instances", "gone")
    client.xgroup_create(stream, "agents", id="0", mkstream=True)
    entry = client.xadd(stream, {"field": "value"})
    client.xreadgroup("agents", "gone", {stream: ">"})
    assert verdict((await found(office))["leases"]) == "ok"
    client.xclaim(stream, "agents", "gone", 0, [entry], idle=5000)
    finding = (await found(office))["leases"]
    assert (verdict(finding), "1 of echo" in finding.said) == ("warn", True)


@pytest.mark.parametrize(("count", "expected"), [(0, "ok"), (7, "ok"), (8, "warn"), (11, "fail")])
async def test_dead_letters(office, client, count, expected):
    for _ in range(count):
        client.xadd("dlq:messages", {"letter": "{}"})
    finding = (await found(office))["dead letters"]
    assert (verdict(finding), finding.said.startswith(f"{count} of")) == (expected, True)
