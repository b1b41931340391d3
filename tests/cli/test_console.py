"""`mas redis`: whoever holds the secret opens the deployment's Redis, and sees no password doing it."""

import json
import os
import sys

import pytest

from mas.cli.answer import plain, shown
from mas.cli.console import way_to
from mas.redis import Endpoint
from mas.testing.server import redis_server
from tests.cli.beside import AGENTS, CODE, SECRET, house_at
from tests.cli.process import embedded, mas, started, write
from tests.world import KEYS, entries

SPY = """#!{python}
import json, os, sys
seen = {{"argv": sys.argv[1:], "environ": dict(os.environ), "pid": os.getpid(), "said": sys.stdin.read()}}
print(json.dumps(seen))
sys.exit(7)
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with house_at(tmp_path_factory.mktemp("house"), "trio") as opened:
        yield opened


@pytest.fixture
def spy(tmp_path):
    """A directory for the path whose redis-cli tells what it was started with, and ends with 7."""
    directory = tmp_path / "bin"
    directory.mkdir()
    program = directory / "redis-cli"
    program.write_text(SPY.format(python=sys.executable))
    program.chmod(0o755)
    return str(directory)


def by_hand(client):
    told = [json.loads(entry["record"]) for entry in entries(client, KEYS.audit_security)]
    return [each for each in told if each.get("detail", "").startswith("by hand: ")]


def test_one_command_is_answered_and_the_trail_says_who_came(house):
    before = len(by_hand(house.client))
    assert house.typed("redis", "ping") == "PONG\n"
    assert house.typed("redis", "SMEMBERS", KEYS.agents).splitlines()[0].startswith("1) ")
    said = json.loads(house.typed("redis", "--json", "HGETALL", "agent:scribe"))
    assert dict(zip(said[::2], said[1::2], strict=True))["status"] == "active"
    told = by_hand(house.client)[before:]
    assert [each["detail"] for each in told] == [
        "by hand: ping",
        f"by hand: SMEMBERS {KEYS.agents}",
        "by hand: HGETALL agent:scribe",
    ]
    assert {(each["event"], each["subject"]) for each in told} == {("CONTROL", "redis")}
    assert all("@" in each["actor"] for each in told)


def test_arguments_reach_redis_as_they_are_typed(house):
    house.typed("redis", "ZADD", "odd", "-1", "--json")
    assert house.typed("redis", "ZRANGE", "odd", "0", "-1", "WITHSCORES").splitlines() == [
        "1) --json",
        "2) -1",
    ]
    house.typed("redis", "DEL", "odd")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("nonsense",), 77, "refused a command: unknown command 'nonsense'"),
        (("XLEN",), 77, "wrong number of arguments"),
        (("subscribe", "x"), 2, "takes its connection over: type it at the prompt of `mas redis`"),
        (("AUTH", "pass"), 2, "takes its connection over"),
        (("--json",), 2, "--json goes with a COMMAND"),
    ],
)
def test_what_cannot_be_done_is_told(house, words, code, told):
    assert told in house.typed("redis", *words, code=code)


def test_the_embedded_server_is_opened_with_its_password_out_of_sight(tmp_path, spy):
    write(tmp_path, code=CODE, agents=AGENTS)
    with started("run", cwd=tmp_path, MAS_SHUTDOWN_GRACE="5") as run:
        run.ready()
        assert mas("redis", "EXISTS", "audit:seals", cwd=tmp_path).stdout in {"0\n", "1\n"}
        around = {"PATH": spy, "MAS_SHUTDOWN_GRACE": "5", "REDISCLI_AUTH": "another"}
        done = mas("redis", "--", "--stat", cwd=tmp_path, **around)
        seen = json.loads(done.stdout)
        with embedded(tmp_path) as client:
            assert by_hand(client)[-1]["detail"] == "by hand: redis-cli"
            password = client.connection_pool.connection_kwargs["password"]
        assert run.stop() == 0
    assert done.returncode == 7
    assert seen["argv"] == ["-s", str(tmp_path / ".mas/redis.sock"), "--stat"]
    assert seen["environ"]["REDISCLI_AUTH"] == password
    assert not [name for name in seen["environ"] if name.startswith("MAS_")]
    assert password not in done.stderr


def test_where_nothing_runs_or_no_program_is_installed_that_is_told(house, tmp_path, spy):
    write(tmp_path, code=CODE, agents=AGENTS)
    done = mas("redis", cwd=tmp_path, PATH=spy, **SECRET)
    assert (done.returncode, done.stdout) == (69, "")
    assert "nothing runs here" in done.stderr
    done = mas("redis", **{**house.where, "PATH": str(tmp_path)})
    assert done.returncode == 78
    assert "error: neither redis-cli nor valkey-cli is on the path" in done.stderr
    assert "hint: install one of them, or give one command: mas redis INFO server" in done.stderr


def test_a_redis_that_takes_no_record_can_still_be_mended(tmp_path):
    with redis_server(port=0, password="operator") as server, server.client() as client:
        write(tmp_path, code=CODE, agents=AGENTS)
        client.config_set("maxmemory", 1)
        where = {"cwd": tmp_path, "MAS_SERVICE_REDIS_URL": server.url, **SECRET}
        done = mas("redis", "CONFIG", "SET", "maxmemory", "0", **where)
        assert (done.returncode, done.stdout) == (0, "OK\n")
        assert "warning: redis takes no record of this in the audit trail" in done.stderr
        assert mas("redis", "SET", "a", "b", **where).stderr == ""


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://:secret@localhost:6380/2", "-h localhost -p 6380 -n 2"),
        ("redis://ann:secret@[::1]/0", "-h ::1 -p 6379 --user ann"),
        ("unix://:secret@/run/redis.sock?db=1", "-s /run/redis.sock -n 1"),
        (
            "rediss://:secret@far:1/0?ssl_ca_certs=/ca&ssl_certfile=/c&ssl_keyfile=/k",
            "-h far -p 1 --tls --cacert /ca --cert /c --key /k",
        ),
        ("rediss://far/0?ssl_cert_reqs=none", "-h far -p 6379 --tls --insecure"),
    ],
)
def test_redis_cli_is_told_where_and_never_the_password(url, words):
    assert way_to(Endpoint.parse(url)) == words.split()


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        (b"one\ntwo \x1b[2J", ["one", r"two \x1b[2J"]),
        (b"", [""]),
        (b"\xff", [r"\xff"]),
        (7, ["7"]),
        (None, ["(nil)"]),
        ([], ["(empty)"]),
        ([b"a", [b"b", [], 3], None], ["1) a", "2) 1) b", "   2) (empty)", "   3) 3", "3) (nil)"]),
    ],
)
def test_an_answer_is_shown_line_by_line_and_moves_no_cursor(answer, lines):
    assert list(shown(answer)) == lines


def test_an_answer_becomes_json_whatever_bytes_it_holds():
    assert plain([b"\xff", [1, None], os.fsencode("é"), "OK"]) == ["\\xff", [1, None], "é", "OK"]
