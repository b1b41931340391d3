"""`mas agents list|revoke|lift|enroll`, as an operator types them."""

import json
import os
import subprocess
import sys

import anyio
import pytest
import yaml

import mas
from mas.cli.exits import MISCONFIGURED, REFUSED
from mas.ids import AgentId, InstanceId
from mas.redis import open_redis
from mas.testing.server import redis_server
from tests.identity.conftest import Echo
from tests.identity.waiting import until
from tests.world import ENVIRON, KEYS, asking, entries


@pytest.fixture
def server():
    with redis_server(port=0, password="operator", appendonly="yes") as started:
        yield started


@pytest.fixture
def typed(server, tmp_path):
    """Type a command beside a deployment's agents.yaml; return what came of it."""

    def run(*words, url=None, **environ):
        config = {
            "service_redis_url": url or server.url,
            "data_dir": str(tmp_path / "data"),
            "permissions": [{"type": "allow_network", "agents": ["out", "in"]}],
            "agents": [{"agent_id": "in", "class_path": "tests.identity.conftest:Echo"}],
        }
        (tmp_path / "agents.yaml").write_text(yaml.safe_dump(config))
        return subprocess.run(
            [sys.executable, "-m", "mas", "agents", *words],
            cwd=tmp_path,
            env={**os.environ, **ENVIRON, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


async def in_thread(call, *args):
    return await anyio.to_thread.run_sync(lambda: call(*args))


async def test_from_enroll_to_revoke_and_back(running, typed, server, tmp_path):
    talk = [{"type": "allow_network", "agents": ["out", "in"]}]
    async with running(at=server.url, permissions=talk, **{"in": Echo}):
        done = await in_thread(typed, "enroll", "out:one", "--capability", "reading", "-o", "out.json")
        assert (done.returncode, done.stdout) == (0, "out.json\n"), done.stderr
        assert (tmp_path / "out.json").stat().st_mode & 0o777 == 0o600
        async with mas.connect(tmp_path / "out.json", Echo) as out:
            assert (await out.request("in", "ask", 1, timeout=10)).data == 1
            listed = json.loads((await in_thread(typed, "list", "--json")).stdout)
            (told,) = [agent for agent in listed if agent["agent_id"] == "out"]
            assert told["outside"]
            assert told["capabilities"] == ["reading"]
            (instance,) = told["instances"]
            assert instance["alive"]
            assert 29 < instance["token_seconds"] / 86_400 <= 30
        done = await in_thread(typed, "revoke", "out", "--reason", "it left")
        assert (done.returncode, done.stdout) == (0, "out revoked: its token is gone\n"), done.stderr
        refused = await in_thread(typed, "enroll", "out:one")
        assert refused.returncode == REFUSED
        assert "out was revoked: it left" in refused.stderr
        table = (await in_thread(typed, "list")).stdout
        assert "revoked: it left" in table
        assert (await in_thread(typed, "lift", "out")).stdout == "out may enrol again\n"
        assert (await in_thread(typed, "enroll", "out:one", "-o", "out.json")).returncode == 0
        async with mas.connect(tmp_path / "out.json", Echo) as out:
            assert (await out.request("in", "ask", 2, timeout=10)).data == 2
    with asking(server.url) as client:
        told = [json.loads(entry["record"]) for entry in entries(client, KEYS.audit_security)]
    mine = [(each["event"], each["subject"]) for each in told if each.get("actor", "").count("@")]
    assert mine == [("ENROLLED", "out:one"), ("REVOKED", "out"), ("LIFTED", "out"), ("ENROLLED", "out:one")]


async def test_a_grant_is_redeemed_without_configuration_or_secret(running, typed, server, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with running(at=server.url, **{"in": Echo}):
        done = await in_thread(typed, "grant", "out", "-o", "out.grant.json")
        assert (done.returncode, done.stdout) == (0, "out.grant.json\n"), done.stderr
        environ = {name: value for name, value in os.environ.items() if not name.startswith("MAS_")}
        words = [sys.executable, "-m", "mas", "agents", "redeem", str(tmp_path / "out.grant.json")]

        def redeem():
            return subprocess.run(
                [*words, "--instance", "one"],
                cwd=elsewhere,
                env=environ,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        done = await anyio.to_thread.run_sync(redeem)
        assert (done.returncode, done.stdout) == (0, "out.one.credentials.json\n"), done.stderr
        assert [file.name for file in elsewhere.iterdir()] == ["out.one.credentials.json"]
        async with mas.connect(elsewhere / "out.one.credentials.json", Echo) as out:
            assert out.id == "out"


def test_a_revoke_typed_before_a_flush_is_remembered_by_the_machine_it_was_typed_on(typed, server):
    assert typed("revoke", "out").returncode == 0
    with asking(server.url) as client:
        client.flushall()
    refused = typed("enroll", "out")
    assert refused.returncode == REFUSED
    assert "out was revoked" in refused.stderr


def test_what_a_revoke_and_a_lift_say_is_what_they_found(typed):
    assert typed("enroll", "out:one", "-o", "one.json").returncode == 0
    assert typed("revoke", "out:two").stdout == "out:two revoked: it had no token\n"
    assert typed("lift", "out:one").stdout == "out:one was not revoked; it may enrol\n"
    assert typed("revoke", "out:one", "--reason", "lost").stdout == "out:one revoked: its token is gone\n"
    assert typed("lift", "out:two").stdout == "out:two may enrol again\n"
    for agent in json.loads(typed("list", "--json").stdout):
        assert agent["agent_id"] == "out"
        told = {each["instance_id"]: each["revoked"] for each in agent["instances"]}
        assert told == {"one": "lost"}


def test_a_revoke_repeated_keeps_the_reason_unless_another_is_given(typed):
    for words, reason in ((("--reason", "lost"), "lost"), ((), "lost"), (("--reason", "stolen"), "stolen")):
        assert typed("revoke", "out", *words).returncode == 0
        assert f"revoked: {reason}" in typed("list").stdout
    assert typed("lift", "out").returncode == 0
    assert typed("revoke", "out").returncode == 0
    assert "revoked:" not in typed("list").stdout


def test_a_revoked_instance_is_listed_after_it_is_off_the_books(typed, server):
    assert typed("revoke", "out:one", "--reason", "lost").returncode == 0
    (row,) = [line for line in typed("list").stdout.splitlines() if line.startswith("out")]
    assert "one" in row
    assert "revoked: lost" in row


def test_nothing_is_enrolled_for_a_file_that_cannot_be_written(typed, server):
    for words in (("enroll", "out:one"), ("grant", "out")):
        done = typed(*words, "-o", "nowhere/out.json")
        assert done.returncode == MISCONFIGURED
        assert "nowhere/out.json: cannot be written: No such file or directory" in done.stderr
    with server.client() as client:
        assert client.keys("agent:*") + client.keys("mas.grant*") == []
        assert [user for user in client.acl_users() if user != "default"] == []


@pytest.mark.parametrize("word", ["enroll", "grant"])
def test_an_agent_that_the_configuration_lists_does_not_run_elsewhere(typed, word):
    refused = typed(word, "in")
    assert refused.returncode == REFUSED
    assert "in may not enrol: agents.yaml lists it" in refused.stderr


def test_a_random_instance_names_its_own_file(typed, tmp_path):
    done = typed("enroll", "out")
    (file,) = tmp_path.glob("out.*.credentials.json")
    assert done.stdout.strip() == file.name
    assert len(json.loads(file.read_text())["instance_id"]) == 16


def test_the_redis_url_of_the_agent_may_differ_and_never_carries_another_user(typed, tmp_path):
    url = "rediss://admin:CANARY@redis.example.test:6390/0?ssl_ca_certs=ca.pem&password=CANARY"
    assert typed("enroll", "out:one", "-o", "o.json", "--redis-url", url).returncode == 0
    held = (tmp_path / "o.json").read_text()
    assert "CANARY" not in held
    assert "admin" not in held
    assert "@redis.example.test:6390/0?ssl_ca_certs=ca.pem" in held


def test_how_the_agent_reaches_redis_may_stand_in_the_environment(typed, tmp_path):
    url = "rediss://redis.example.test:6390/0"
    for words in (("enroll", "out:one"), ("grant", "out")):
        done = typed(*words, "-o", "o.json", MAS_OUTSIDE_REDIS_URL=url)
        assert done.returncode == 0, done.stderr
        assert "@redis.example.test:6390/0" in (tmp_path / "o.json").read_text()


def test_an_operator_without_a_say_over_redis_users_is_told_so(typed, server):
    assert typed("enroll", "out:one", "-o", "one.json").returncode == 0
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "weak", "on", ">pw", "~*", "&*", "+@all", "-acl")
    weak = server.url.replace(":operator@", "weak:pw@")
    refused = typed("enroll", "out:two", "-o", "two.json", url=weak)
    assert refused.returncode == REFUSED
    assert "refused a command: " in refused.stderr
    assert "acl|getuser" in refused.stderr
    # A revoke binds all the same; only the connections are closed by a gateway, a moment later.
    done = typed("revoke", "out:one", url=weak)
    assert (done.returncode, done.stdout) == (0, "out:one revoked: its token is gone\n")
    assert "its redis users are left to the gateways" in done.stderr
    # Where nobody runs elsewhere, there is nothing to say.
    assert typed("revoke", "in", url=weak).stderr == ""


def test_whoever_enrols_for_this_machine_only_is_told_so(typed):
    note = "is this machine; for another, give --redis-url"
    assert note in typed("enroll", "out:one", "-o", "one.json").stderr
    assert note not in typed("enroll", "out:two", "-o", "o.json", "--redis-url", "rediss://r.test").stderr


def test_plaintext_to_another_machine_is_refused(typed, tmp_path):
    refused = typed("enroll", "out", "--redis-url", "redis://redis.example.test")
    assert refused.returncode == MISCONFIGURED
    assert "without TLS" in refused.stderr


@pytest.mark.parametrize("words", [("revoke", "*"), ("revoke", "a:b:c"), ("enroll", "mas.x"), ("lift", "a:")])
def test_names_that_could_bend_a_key_are_refused(typed, words):
    done = typed(*words)
    assert done.returncode == MISCONFIGURED
    assert "is not a valid" in done.stderr


def test_the_embedded_server_lets_nobody_in_from_elsewhere(typed, tmp_path):
    with redis_server() as open_to_all:
        done = typed("enroll", "out", url=open_to_all.url)
    assert done.returncode == REFUSED
    assert "default user has no password" in done.stderr


async def test_a_user_without_an_enrolment_is_removed(running, server):
    async with running(at=server.url, **{"in": Echo}), open_redis(server.url) as operator:
        stray = KEYS.redis_user(AgentId("stray"), InstanceId("one"))
        await operator.call("ACL", "SETUSER", stray, "on", "nopass", "~*", "+@all")
        await operator.call("PUBLISH", KEYS.system, '{"event":"REGISTER","agent_id":"in"}')

        async def gone():
            return stray.encode() not in await operator.call("ACL", "USERS")

        await until(gone)
