"""What `mas doctor` finds in a Redis, each in the bad state that it is for."""

import shutil

import pytest

from mas.cli.exits import MISCONFIGURED, REFUSED, UNAVAILABLE
from mas.clock import SystemClock
from mas.testing.server import free_port, redis_server
from tests.cli.clinic import AGENTS, PASSWORD, deploy, found, verdict, without
from tests.faults.sentinels import watched
from tests.redis.waiting import until

QUICK = "redis: {connect_timeout: 1, response_timeout: 2}\n"


@pytest.fixture
def server(tmp_path_factory):
    """Give a server that is as MAS wants it, but that nothing runs on it yet."""
    with redis_server(port=0, password=PASSWORD, appendonly="yes") as server:
        yield server


@pytest.fixture
def set_to(server):
    def configure(**settings):
        with server.client() as client:
            for name, value in settings.items():
                client.config_set(name.replace("_", "-"), value)

    return configure


async def look(tmp_path, server, *, gateway=QUICK, **how):
    return await found(deploy(tmp_path, redis_url=server.url, gateway=gateway), **how)


async def test_a_good_one(tmp_path, server):
    findings = await look(tmp_path, server)
    assert (
        without({k: f for k, f in findings.items() if k not in {"runners", "gateways", "sealer"}}, "ok") == []
    )
    assert findings["redis"].said.endswith(f"redis://:***@127.0.0.1:{server.port}/0")


async def test_none(tmp_path):
    findings = await found(
        deploy(tmp_path, redis_url=f"redis://:{PASSWORD}@127.0.0.1:{free_port()}", gateway=QUICK)
    )
    assert (verdict(findings["redis"]), findings["redis"].exit_code) == ("fail", UNAVAILABLE)
    assert findings["eviction"].said == "Redis cannot be used"
    assert verdict(findings["secret"]) == "ok"


async def test_an_embedded_one_that_was_killed(tmp_path):
    deploy(tmp_path)
    (tmp_path / ".mas").mkdir(0o700)
    with redis_server(directory=tmp_path / ".mas") as server:
        server.kill()
        findings = await found(tmp_path)
    assert (verdict(findings["redis"]), "mas run" in findings["redis"].mend) == ("warn", True)
    assert "nothing runs here" in findings["eviction"].said


async def test_one_that_does_not_know_the_password(tmp_path, server):
    url = server.url.replace(PASSWORD, f"{PASSWORD}-as-it-was")
    finding = (await found(deploy(tmp_path, redis_url=url, gateway=QUICK)))["redis"]
    assert (verdict(finding), finding.exit_code) == ("fail", REFUSED)


async def test_a_replica(tmp_path, server):
    with server.client() as client:
        client.replicaof("127.0.0.1", free_port())
    finding = (await look(tmp_path, server))["redis"]
    assert (verdict(finding), finding.exit_code) == ("fail", UNAVAILABLE)
    assert "is a slave, not the master" in finding.said or "replica" in finding.said


async def test_a_cluster(tmp_path):
    with redis_server(port=0, extra=("--cluster-enabled", "yes")) as server:
        finding = (await look(tmp_path, server))["redis"]
    assert (verdict(finding), finding.exit_code) == ("fail", MISCONFIGURED)
    assert "Redis Cluster" in finding.said
    assert "Sentinel" in finding.mend


async def test_one_that_does_not_let_us_ask(tmp_path, server):
    with server.client() as client:
        client.acl_setuser("narrow", enabled=True, passwords=[f"+{PASSWORD}"], keys="*", channels="*",
                           categories=["+@all"], commands=["-info", "-config", "-acl"])  # fmt: skip
    url = server.url.replace("redis://:", "redis://narrow:")
    findings = await found(deploy(tmp_path, redis_url=url, gateway=QUICK))
    for name in ("password", "rights", "eviction", "memory", "persistence", "failover"):
        assert verdict(findings[name]) == "unknown"
        assert findings[name].said.startswith("Redis does not let us ask")
    assert [verdict(findings[name]) for name in ("redis", "clock", "permissions")] == ["ok"] * 3


# The way there, and who comes


@pytest.mark.parametrize(
    ("url", "expected", "words"),
    [
        ("redis://:{password}@127.1:{port}", "warn", "without TLS to another machine"),
        ("redis://:{password}@localhost:{port}", "ok", "does not leave this machine"),
        ("rediss://:{password}@localhost:{port}", "ok", "certificate is checked"),
        ("rediss://:{password}@localhost:{port}?ssl_cert_reqs=none", "warn", "pose as the server"),
        ("rediss://:{password}@localhost:{port}?ssl_check_hostname=false", "warn", "pose as the server"),
    ],
)
async def test_who_could_listen(tmp_path, server, url, expected, words):
    # 127.1 is this machine, and looks like another one.
    place = url.format(password=PASSWORD, port=server.port)
    gateway = "redis: {connect_timeout: 0.5, allow_plaintext: true}\n"
    finding = (await found(deploy(tmp_path, redis_url=place, gateway=gateway)))["way to redis"]
    assert (verdict(finding), words in finding.said) == (expected, True), finding


async def test_what_leaves_in_the_clear_is_refused_unasked(tmp_path):
    finding = (await found(deploy(tmp_path, redis_url=f"redis://:{PASSWORD}@127.1:1")))["configuration"]
    assert (verdict(finding), finding.exit_code) == ("fail", MISCONFIGURED)


async def test_agents_that_cannot_have_redis_users_of_their_own(tmp_path, server):
    apart = AGENTS.replace("agent_id: echo", "agent_id: echo, process: true")
    deploy(tmp_path, redis_url=server.url, gateway=QUICK, agents=apart)
    finding = (await found(tmp_path))["accounts"]
    assert (verdict(finding), "has one" in finding.said) == ("ok", True)
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "mas", "on", f">{PASSWORD}", "~*", "&*", "+@all", "-acl")
        url = server.url.replace("redis://:", "redis://mas:")
        deploy(tmp_path, redis_url=url, gateway=QUICK, agents=apart)
        finding = (await found(tmp_path))["accounts"]
        assert (verdict(finding), "+acl" in finding.mend) == ("warn", True)
        client.config_set("requirepass", "")
    deploy(tmp_path, redis_url=server.url.replace(f":{PASSWORD}@", ""), gateway=QUICK, agents=apart)
    finding = (await found(tmp_path))["accounts"]
    assert (verdict(finding), "not for echo" in finding.said) == ("warn", True)


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        (["-@scripting"], "SCRIPT, EVALSHA"),
        (["resetchannels"], "PUBLISH, SUBSCRIBE"),
        (["resetkeys", "~mas.*"], "XREADGROUP, XAUTOCLAIM, HSET"),
    ],
)
async def test_a_user_that_may_do_too_little(tmp_path, server, rules, named):
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "mas", "on", f">{PASSWORD}", "~*", "&*", "+@all", *rules)
    url = server.url.replace("redis://:", "redis://mas:")
    finding = (await found(deploy(tmp_path, redis_url=url, gateway=QUICK)))["rights"]
    assert (verdict(finding), finding.exit_code) == ("fail", REFUSED)
    assert finding.said.endswith(f"what a run does: {named}")


async def test_what_a_user_lacks_is_what_the_doctor_says_to_give_it(tmp_path, server):
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "mas", "on", f">{PASSWORD}", "+@all")
        url = server.url.replace("redis://:", "redis://mas:")
        deploy(tmp_path, redis_url=url, gateway=QUICK, more="namespace: office\n")
        finding = (await found(tmp_path))["rights"]
        client.execute_command(*finding.mend.split())
        assert verdict((await found(tmp_path))["rights"]) == "ok"


async def test_a_server_without_a_password(tmp_path):
    with redis_server(port=0) as server, server.client() as client:
        assert verdict((await look(tmp_path, server))["password"]) == "warn"
        # An address that this machine does not have; the dash has Redis pass over it.
        client.config_set("bind", "127.0.0.1 -192.0.2.1")
        assert verdict((await look(tmp_path, server))["password"]) == "warn"
        client.config_set("protected-mode", "no")
        finding = (await look(tmp_path, server))["password"]
        assert verdict(finding) == "fail"
        assert "requirepass" in finding.mend


async def test_agents_elsewhere_and_no_password(tmp_path):
    with redis_server() as server, server.client() as client:
        assert verdict((await look(tmp_path, server))["password"]) == "ok"
        client.sadd("mas.outsiders", "afar")
        finding = (await look(tmp_path, server))["password"]
    assert verdict(finding) == "fail"
    assert "not let in" in finding.said


# What it keeps


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_one_that_throws_away_what_it_accepted(tmp_path, server, set_to, policy):
    set_to(maxmemory_policy=policy)
    finding = (await look(tmp_path, server))["eviction"]
    assert verdict(finding) == "fail"
    assert finding.mend.startswith("CONFIG SET maxmemory-policy noeviction")


async def test_one_that_is_nearly_full_or_full(tmp_path, server, set_to):
    with server.client() as client:
        for number in range(200):  # ballast, beside which a connection more or less is nothing
            client.set(f"ballast:{number}", b"x" * 160_000)
        await until(lambda: client.info("memory")["used_memory"] < 35_500_000)
        used = client.info("memory")["used_memory"]
    set_to(maxmemory=36_000_000)
    assert verdict((await look(tmp_path, server))["memory"]) == "warn"
    set_to(maxmemory=used // 2)
    finding = (await look(tmp_path, server))["memory"]
    assert verdict(finding) == "fail"
    assert "Redis refuses what is sent" in finding.said
    set_to(maxmemory=used * 100)
    assert verdict((await look(tmp_path, server))["memory"]) == "ok"


@pytest.mark.parametrize(
    ("settings", "expected", "words"),
    [
        ({"appendfsync": "always"}, "ok", "nothing accepted is lost"),
        ({"appendfsync": "everysec"}, "ok", "the last second"),
        ({"appendfsync": "no"}, "warn", "appendfsync is no"),
        ({"appendonly": "no"}, "warn", "all mail, all state and the audit trail is lost"),
        ({"appendonly": "no", "save": "3600 1"}, "warn", "since the last snapshot"),
    ],
)
async def test_what_a_crash_would_cost(tmp_path, server, set_to, settings, expected, words):
    set_to(**settings)
    finding = (await look(tmp_path, server))["persistence"]
    assert (verdict(finding), words in finding.said) == (expected, True), finding


async def test_one_that_cannot_write_to_its_disk(tmp_path):
    doomed = tmp_path / "doomed"
    doomed.mkdir()
    with redis_server(directory=doomed, port=0) as server, server.client() as client:
        shutil.rmtree(doomed)
        client.bgsave()
        await until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
        finding = (await look(tmp_path, server))["disk writes"]
    assert verdict(finding) == "fail"
    assert "rdb_last_bgsave_status" in finding.said


async def test_a_failover(tmp_path):
    async with watched(tmp_path) as deployment:
        mine = deploy(tmp_path, redis_url=deployment.url, gateway=QUICK)
        finding = (await found(mine))["failover"]
        assert (verdict(finding), "min-replicas-to-write 1" in finding.mend) == ("warn", True)
        with deployment.master.client() as client:
            client.config_set("min-replicas-to-write", "1")
            finding = (await found(mine))["failover"]
            assert (verdict(finding), "1 replicas" in finding.said) == ("ok", True)
            deployment.cut_off()
            await until(lambda: client.info("replication")["connected_slaves"] == 0)
        finding = (await found(mine))["failover"]
        assert (verdict(finding), "without a replica" in finding.said) == ("warn", True)


async def test_a_replica_that_is_behind(tmp_path):
    # The delay keeps it waiting for its first copy.
    late = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "60")
    with redis_server(port=0, extra=late) as server, redis_server(port=0) as replica:
        with server.client() as client, replica.client() as other:
            other.replicaof("127.0.0.1", server.port)
            await until(lambda: "slave0" in client.info("replication"))
        finding = (await look(tmp_path, server))["failover"]
    assert (verdict(finding), f"127.0.0.1:{replica.port}" in finding.said) == ("warn", True)


# Its clock and its connections


class Off(SystemClock):
    """A machine whose clock is wrong."""

    def __init__(self, seconds):
        self.seconds = seconds

    def wall(self):
        return super().wall() + self.seconds


@pytest.mark.parametrize(
    ("seconds", "expected", "words"),
    [
        (0, "ok", "300 s are allowed"),
        (-40, "warn", "40.0 s behind"),
        (40, "warn", "40.0 s ahead"),
        (-400, "fail", "refused"),
    ],
)
async def test_clocks_that_differ(tmp_path, server, seconds, expected, words):
    finding = (await look(tmp_path, server, clock=Off(seconds)))["clock"]
    assert (verdict(finding), words in finding.said) == (expected, True), finding


async def test_one_that_has_hardly_a_connection_left(tmp_path, server, set_to):
    set_to(maxclients="2")
    with server.client() as client:
        client.ping()
        finding = (await look(tmp_path, server))["connections"]
    assert verdict(finding) == "warn"
    assert finding.said == "2 of at most 2"


# What looking costs


async def test_looking_changes_nothing(tmp_path, server):
    deploy(tmp_path, redis_url=server.url, gateway=QUICK)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with server.client() as client:
        for key in ("mas.agents", "mas.outsiders", "mas.gateways", "mas.runners"):
            client.sadd(key, "someone")
        client.sadd("agent:someone:instances", "one")
        for stream in ("mas.gateway.ingress", "audit:messages", "dlq:messages", "agent.stream:someone"):
            client.xadd(stream, {"field": "value"})
        client.config_resetstat()
        changes, cached = client.info("persistence")["rdb_changes_since_last_save"], scripts(client)
        await found(tmp_path)
        assert client.info("persistence")["rdb_changes_since_last_save"] == changes
        assert scripts(client) == cached
        ran = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
        flags = {name: told["flags"] for name, told in client.command().items()}
    assert "xlen" in ran
    assert not [name for name in ran if "write" in flags.get(name, ())]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def scripts(client):
    return client.info("memory")["number_of_cached_scripts"]
