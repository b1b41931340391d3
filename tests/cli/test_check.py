import json

import pytest

from mas.cli.check import sentence
from mas.settings import load
from tests.cli.process import mas, write

CODE = """
from mas import Agent

class Echo(Agent):
    @Agent.on("greeting.request")
    async def greet(self, message, _):
        pass
"""
AGENTS = """
service_redis_url: redis://:CANARY-password@127.0.0.1:1/3
permissions:
  - {type: allow_bidirectional, agents: [echo, other]}
agents:
  - agent_id: echo
    class_path: people:Echo
    instances: 3
    init_kwargs: {capabilities: [demo], metadata: {key: CANARY-kwarg}}
"""
GATEWAY = "features: {dlp: false}\nrate_limit: {enabled: false}\n"


@pytest.fixture
def office(tmp_path):
    return write(tmp_path, code=CODE, agents=AGENTS, gateway=GATEWAY)


def test_it_says_what_it_found_and_starts_nothing(office):
    before = set(office.iterdir())
    ended = mas("check", cwd=office)
    assert (ended.returncode, ended.stderr) == (0, "")
    for words in (
        f"{office}/agents.yaml",
        f"{office}/gateway.yaml",
        "127.0.0.1:1",
        f"will be generated in {office}/.mas/secret",
        "people:Echo  3 instances  handles greeting.request  offers demo",
        "echo <-> other",
        "dlp",
        "rate_limit",
        "names other, which no agent here has as its id",
        "the configuration is valid",
    ):
        assert words in ended.stdout
    assert {path for path in office.iterdir() if path.name != "__pycache__"} == before


def test_it_shows_no_secret_in_any_form(office):
    for options in ([], ["--verbose"], ["--json", "--verbose"]):
        ended = mas("check", *options, cwd=office, MAS_SECRET="CANARY-deployment-secret")
        assert ended.returncode == 0
        assert "CANARY" not in ended.stdout + ended.stderr


def test_verbose_names_the_origin_of_each_setting(office):
    ended = mas("check", "-v", cwd=office, MAS_SHUTDOWN_GRACE="7")
    _, _, listed = ended.stdout.partition("\nsettings\n")
    lines = {line.split()[0]: line for line in listed.splitlines() if line.startswith("  ")}
    assert lines["shutdown_grace"].split()[1:] == ["7", "s", "MAS_SHUTDOWN_GRACE"]
    assert lines["gateway.features.dlp"].split()[1:] == ["false", "gateway.yaml:1"]
    defaults = [line for line in lines.values() if line.endswith("default") and str(office) not in line]
    assert max(map(len, defaults)) <= 80
    assert lines["gateway.batch"].endswith("default")


def test_the_report_as_json(office):
    ended = mas("check", "--json", cwd=office)
    report = json.loads(ended.stdout)
    assert report["agents"] == [
        {
            "agent_id": "echo",
            "class_path": "people:Echo",
            "instances": 3,
            "handles": ["greeting.request"],
            "capabilities": ["demo"],
        }
    ]
    assert report["off"] == ["dlp", "rate_limit"]
    assert report["permissions"] == ["echo <-> other"]
    assert report["settings"] == []


@pytest.mark.parametrize(
    ("permission", "said"),
    [
        ({"type": "allow", "from": "a", "to": ["b", "c"]}, "a -> b, c"),
        ({"type": "allow", "from": "a", "to": "b", "types": ["x.*", "y"]}, "a -> b, only x.*, y"),
        ({"type": "allow_bidirectional", "agents": ["a", "b"]}, "a <-> b"),
        ({"type": "allow_network", "agents": ["a", "b", "c"]}, "a, b, c: all to all"),
        ({"type": "allow_network", "agents": ["a", "b", "c"], "bidirectional": False}, "a -> b -> c"),
        ({"type": "allow_broadcast", "from": "a", "to": ["b", "c"]}, "a -> b, c"),
        ({"type": "allow_wildcard", "agent": "a"}, "a -> everyone"),
        ({"type": "block", "from": "a", "to": ["b"]}, "a -> b blocked, whatever else is granted"),
        ({"type": "role", "role": "r", "permissions": ["send:p*"]}, "role r may send:p*"),
    ],
)
def test_a_permission_is_a_sentence(permission, said):
    settings = load({"permissions": [permission]}, environ={})
    assert sentence(settings.permissions[0]) == said


def test_an_assignment_is_a_sentence():
    role = {"type": "role", "role": "r", "permissions": ["send:p*"]}
    settings = load(
        {"permissions": [role, {"type": "assign", "agents": ["a", "b*"], "role": "r"}]}, environ={}
    )
    assert sentence(settings.permissions[1]) == "a, b*: role r"
