"""A whole deployment over mutual TLS: its own connections, processes and commands, and agents elsewhere."""

import json
import os
import re
import subprocess
import sys

import anyio
import pytest
import yaml

import mas
from mas import ConfigurationError, RedisUnavailable
from mas.cli.exits import UNAVAILABLE
from mas.registry import Credentials, GrantFile
from mas.testing.server import redis_server
from tests.agent.crew import Worker
from tests.identity.conftest import Echo
from tests.identity.waiting import until
from tests.redis.tls import issue_certificates, mutual, tls_in_front_of
from tests.world import ENVIRON

TALK = [{"type": "allow_network", "agents": ["in", "alone", "out"]}]


@pytest.fixture
def server():
    with redis_server(port=0, password="operator") as started:
        yield started


@pytest.fixture
def place(server, tmp_path):
    """Where the deployment is reached: over TLS only, by holders of a certificate only."""
    certificates = issue_certificates(tmp_path)
    with tls_in_front_of(server.port, certificates) as port:
        yield f"rediss://:operator@localhost:{port}/0", mutual(certificates)


@pytest.fixture
def typed(place, tmp_path):
    """Type a command beside the deployment's agents.yaml."""

    async def run(*words, query=place[1]):
        config = {"service_redis_url": f"{place[0]}?{query}", "data_dir": str(tmp_path / "data")}
        (tmp_path / "agents.yaml").write_text(yaml.safe_dump(config))

        def call():
            return subprocess.run(
                [sys.executable, "-m", "mas", "agents", *words],
                cwd=tmp_path,
                env={**os.environ, **ENVIRON},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        return await anyio.to_thread.run_sync(call)

    return run


async def test_everything_goes_over_tls_with_a_certificate_of_its_own(running, typed, place, tmp_path):
    agents = {"in": Echo, "alone": {"class_path": Worker, "process": True}}
    async with running(at="?".join(place), permissions=TALK, **agents) as system:
        # An agent in a process of its own, which dials by itself.
        seen = (await system.agent("in").request("alone", "look", timeout=20)).data
        assert "operator" not in seen["argv"] + str(seen["environ"])
        assert (await typed("enroll", "out:one", "-o", "one.json")).returncode == 0
        assert (await typed("grant", "out", "-o", "grant.json")).returncode == 0
        assert (await typed("redeem", "grant.json", "--instance", "two", "-o", "two.json")).returncode == 0
        for name in ("one", "two"):
            held = Credentials.read(tmp_path / f"{name}.json")
            assert held.redis_url.scheme == "rediss"
            assert "operator" not in held.redis_url.reveal()
            async with mas.connect(held, Echo) as out:
                assert (await out.request("in", "ask", name, timeout=10)).data == name
                assert (await system.agent("in").request("out", "ask", 1, timeout=10)).data == 1
        told = await typed("list", "--json")
        assert told.returncode == 0, told.stderr
        listed = json.loads(told.stdout)
        assert sorted(each["agent_id"] for each in listed) == ["alone", "in", "out"]
        assert (await typed("revoke", "out")).stdout == "out revoked: its 2 tokens are gone\n"


async def test_nobody_gets_in_without_a_certificate(running, typed, place, tmp_path):
    url, query = place
    bare = query.partition("&")[0]
    assert bare.startswith("ssl_ca_certs=")
    refused = await typed("list", query=bare)
    assert refused.returncode == UNAVAILABLE, refused
    quick = {"redis": {"connect_timeout": 1}}
    with pytest.raises(RedisUnavailable):
        async with running(at=f"{url}?{bare}", gateway=quick, **{"in": Echo}):
            pass
    assert (await typed("enroll", "out:one", "-o", "one.json")).returncode == 0
    held = (tmp_path / "one.json").read_text()
    stripped, files = re.subn(r"&ssl_(?:cert|key)file=[^&\"]*", "", held)
    assert files == 2
    (tmp_path / "one.json").write_text(stripped)
    with pytest.raises(RedisUnavailable):
        async with mas.connect(tmp_path / "one.json", Echo):
            pass


ELSEWHERE = "redis://mas.agent%3Aout%3Aone:x@redis.example.test:6379/0"


async def test_credentials_and_grants_lead_nobody_across_a_network_in_the_clear(
    typed, running, server, tmp_path
):
    async with running(at=server.url, permissions=TALK, **{"in": Echo}):
        assert (await typed("enroll", "out:one", "-o", "one.json")).returncode == 0
        assert (await typed("grant", "out", "-o", "grant.json")).returncode == 0
    for name, read in (("one.json", Credentials.read), ("grant.json", GrantFile.read)):
        held = json.loads((tmp_path / name).read_text()) | {"redis_url": ELSEWHERE}
        (tmp_path / f"elsewhere.{name}").touch(0o600)
        (tmp_path / f"elsewhere.{name}").write_text(json.dumps(held))
        assert read(tmp_path / f"elsewhere.{name}")
    with pytest.raises(ConfigurationError, match="without TLS"):
        async with mas.connect(tmp_path / "elsewhere.one.json", Echo):
            pass
    refused = await typed("redeem", "elsewhere.grant.json", "-o", "two.json")
    assert "without TLS" in refused.stderr
    assert not (tmp_path / "two.json").exists()


async def test_credentials_renewed_to_lead_elsewhere_in_the_clear_are_not_taken_over(
    running, typed, place, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("mas.outside._BEAT", 0.05)
    file = tmp_path / "one.json"
    async with running(at="?".join(place), permissions=TALK, **{"in": Echo}):
        assert (await typed("enroll", "out:one", "-o", "one.json")).returncode == 0
        async with mas.connect(file, Echo) as out:
            held = json.loads(file.read_text())
            file.write_text(json.dumps(held | {"redis_url": ELSEWHERE, "token": "00" * 32}))
            await until(lambda: "lead to another machine without TLS" in said(caplog))
            assert (await out.request("in", "ask", 1, timeout=10)).data == 1


def said(caplog):
    """Return the problems that were logged."""
    return " ".join(getattr(record, "problem", "") for record in caplog.records)
