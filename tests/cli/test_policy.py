"""`mas policy`: the table, the rule that decides, the test of expectations, and the reload."""

import json

import pytest

from mas import open_system
from tests.cli.process import mas, write
from tests.world import ENVIRON, KEYS, SECRET, asking, data_dir, entries

CODE = """
from mas import Agent

class Echo(Agent):
    pass
"""


def deployment(redis_url, *permissions):
    agents = [{"agent_id": name, "class_path": "people:Echo"} for name in ("a", "b", "c")]
    return json.dumps(
        {
            "service_redis_url": redis_url,
            "data_dir": str(data_dir(redis_url)),
            "agents": agents,
            "permissions": list(permissions),
        }
    )


GRANTED = (
    {"type": "allow", "from": "a", "to": "b", "types": ["order.*"]},
    {"type": "allow_wildcard", "agent": "c"},
    {"type": "block", "from": "c", "to": "a"},
)


@pytest.fixture
def place(tmp_path, redis_url):
    return write(tmp_path, code=CODE, agents=deployment(redis_url, *GRANTED))


def test_the_table_says_who_may_talk_to_whom(place):
    shown = mas("policy", "show", cwd=place)
    assert shown.returncode == 0, shown.stderr
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert rows[0] == ["FROM", "TO", "TYPES", "BY"]
    assert ["a", "b", "allowed", "order.*", "permissions[0]", "allow"] in rows
    assert ["c", "a", "blocked", "all", "permissions[2]", "block"] in rows
    assert ["c", "b", "allowed", "all", "permissions[1]", "allow_wildcard"] in rows
    assert not [row for row in rows if row[0] == "b"]
    listed = json.loads(mas("policy", "show", "--json", cwd=place).stdout)
    assert {
        "sender": "a",
        "target": "b",
        "allowed": True,
        "types": ["order.*"],
        "by": ["permissions[0] allow"],
    } in listed


@pytest.mark.parametrize(
    ("question", "code", "word"),
    [
        (("a", "b", "order.new"), 0, "permissions[0] allow"),
        (("a", "b", "chat"), 77, "nothing grants it"),
        (("c", "a", "order.new"), 77, "permissions[2] block"),
        (("c", "b", "anything"), 0, "permissions[1] allow_wildcard"),
    ],
)
def test_the_rule_that_decides_is_named(place, question, code, word):
    told = mas("policy", "explain", *question, cwd=place)
    assert (told.returncode, word in told.stdout) == (code, True), told
    told = mas("policy", "explain", *question, "--json", cwd=place)
    assert json.loads(told.stdout)["allowed"] is (code == 0)


def test_each_decision_that_is_not_as_expected_is_named(place):
    expected = place / "expected.yaml"
    expected.write_text(
        "- {from: a, to: b, type: order.new, expect: allow}\n- {from: b, to: a, type: x, expect: deny}\n"
    )
    assert mas("policy", "test", expected, cwd=place).returncode == 0
    expected.write_text(
        "- {from: a, to: b, type: chat, expect: allow}\n- {from: c, to: b, type: x, expect: deny}\n"
    )
    told = mas("policy", "test", expected, cwd=place)
    assert told.returncode == 1
    assert "a -> b (chat) is denied" in told.stdout
    assert "c -> b (x) is allowed" in told.stdout
    assert "0 of 2 as expected" in told.stdout


@pytest.mark.parametrize("text", ["", "{}", "- {from: a}", "- {from: a, to: b, type: x, expect: maybe}", "["])
def test_a_file_of_expectations_that_cannot_be_used_is_told(place, text):
    (place / "expected.yaml").write_text(text)
    told = mas("policy", "test", "expected.yaml", cwd=place)
    assert told.returncode == 78
    assert "expected.yaml" in told.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- {from: a}\n- [from\n", "expected.yaml:3: it is no YAML: expected ',' or ']'"),
        ("from: a\n", "hint: one line of it is: - {from: a, to: b, type: x, expect: deny}"),
        (None, "expected.yaml: cannot be read: No such file or directory"),
    ],
)
def test_what_is_wrong_with_a_file_of_expectations_is_told_with_its_line(place, text, told):
    file = place / "expected.yaml"
    if text is not None:
        file.write_text(text)
    done = mas("policy", "test", str(file), cwd=place)
    assert done.returncode == 78
    assert told in done.stderr


async def test_a_reload_binds_running_gateways_and_is_audited(place, redis_url, anyio_backend):
    write(place, agents=deployment(redis_url))
    config = {**json.loads(deployment(redis_url)), "agents": []}
    async with open_system(config, environ=ENVIRON):
        nothing = mas("policy", "show", "--live", cwd=place, MAS_SECRET=SECRET)
        assert nothing.stdout.split() == ["FROM", "TO", "TYPES", "BY"]
        write(place, agents=deployment(redis_url, *GRANTED))
        assert (
            mas("policy", "explain", "a", "b", "order.x", "--live", cwd=place, MAS_SECRET=SECRET).returncode
            == 77
        )
        reloaded = mas("policy", "reload", "--json", cwd=place, MAS_SECRET=SECRET)
        assert json.loads(reloaded.stdout) == {"changed": True, "rules": 3, "settings": [], "waiting": []}
        assert (
            mas("policy", "explain", "a", "b", "order.x", "--live", cwd=place, MAS_SECRET=SECRET).returncode
            == 0
        )
        again = mas("policy", "reload", "--json", cwd=place, MAS_SECRET=SECRET)
        assert json.loads(again.stdout) == {"changed": False, "rules": 3, "settings": [], "waiting": []}
        good = (place / "agents.yaml").read_text()
        write(place, agents=deployment(redis_url, {"type": "assign", "agent": "a", "role": "none"}))
        refused = mas("policy", "reload", cwd=place, MAS_SECRET=SECRET)
        assert refused.returncode == 78
        assert "permissions" in refused.stderr
        write(place, agents=good)
        assert (
            mas("policy", "explain", "a", "b", "order.x", "--live", cwd=place, MAS_SECRET=SECRET).returncode
            == 0
        )
    with asking(redis_url) as client:
        told = [json.loads(entry["record"]) for entry in entries(client, KEYS.audit_security)]
        (change,) = [event for event in told if event["event"] == "POLICY_CHANGED" and event.get("actor")]
        assert change["detail"] == "3 rules"


async def test_a_reload_puts_gateway_settings_in_force_and_names_what_waits(place, redis_url, anyio_backend):
    config = {**json.loads(deployment(redis_url, *GRANTED)), "agents": []}
    async with open_system(config, environ=ENVIRON) as system:
        write(place, gateway="{limits: {max_hops: 3}, delivery: {lease: 9}}")
        reloaded = mas("policy", "reload", cwd=place, MAS_SECRET=SECRET)
        assert reloaded.stdout.splitlines() == [
            "3 rules in force",
            "changed: delivery.lease (waits for a restart)",
            "changed: limits.max_hops",
        ]
        before = system.redis.call("GET", KEYS.policy)
        write(place, gateway="limits: {max_hops: 0}")
        refused = mas("policy", "reload", cwd=place, MAS_SECRET=SECRET)
        assert refused.returncode == 78
        assert "gateway.yaml:1: limits.max_hops" in refused.stderr
        assert await before == await system.redis.call("GET", KEYS.policy)


def test_without_the_secret_nothing_live_is_told(place):
    told = mas("policy", "show", "--live", cwd=place, MAS_DATA_DIR=str(place / "none"))
    assert told.returncode == 78
    assert "secret" in told.stderr
