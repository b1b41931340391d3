"""What a user gets wrong is told once: what, where, how to mend it; with the exit code that says so."""

import os
import socket
import sys
import threading
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from mas.cli.app import app
from mas.testing.server import redis_server
from tests.cli.process import mas, started, write

CODE = """
from mas import Agent

class Echo(Agent):
    pass

class Plain:
    pass

class Picky(Agent):
    def __init__(self, agent_id, *, colour):
        super().__init__(agent_id)

class Broken(Agent):
    def __init__(self, agent_id):
        raise LookupError("no key in the drawer")
"""
GOOD = 'agents: [{agent_id: echo, class_path: "people:Echo"}]'

WRONG = {
    "no file": (None, ["no agents.yaml in", "in any directory above it", "hint: "]),
    "broken yaml": ("agents:\n  - agent_id: [\n", ["agents.yaml:3: "]),
    "a tab": ("agents:\n\t- agent_id: a\n", ["agents.yaml:2: ", "indent with spaces"]),
    "unknown key": (f"{GOOD}\nagentz: []", ["agents.yaml:2: agentz", "did you mean agents?"]),
    "module missing": (GOOD.replace("people", "peple"), ["there is no module peple", "did you mean people?"]),
    "class missing": (GOOD.replace(":Echo", ":Ecco"), ["module people has no Ecco", "did you mean Echo?"]),
    "no agent": (GOOD.replace(":Echo", ":Plain"), ["Plain is not a subclass of Agent"]),
    "reserved key": (
        'agents: [{agent_id: a, class_path: "people:Echo", init_kwargs: {agent_id: b}}]',
        ["agents[0].init_kwargs.agent_id"],
    ),
    "invalid id": ('agents: [{agent_id: "a:b", class_path: "people:Echo"}]', ["agents[0].agent_id", "'a:b'"]),
    "no gateway": (f"{GOOD}\nstart_gateway: false", ["agents.yaml:2: start_gateway", "--only agents"]),
    "argument missing": (
        'agents: [{agent_id: a, class_path: "people:Picky"}]',
        ["agent a, class_path people:Picky", "missing 1 required keyword-only argument: 'colour'"],
    ),
    "argument unknown": (
        'agents: [{agent_id: a, class_path: "people:Echo", init_kwargs: {colour: red}}]',
        ["agent a, class_path people:Echo", "unexpected keyword argument 'colour'"],
    ),
    "constructor raises": (
        'agents: [{agent_id: a, class_path: "people:Broken"}]',
        ["agent a, class_path people:Broken", "no key in the drawer", "people.py, line 16"],
    ),
}


def office(directory, agents):
    return write(directory, code=CODE) if agents is None else write(directory, code=CODE, agents=agents)


@pytest.fixture
def check_here(tmp_path, monkeypatch):
    """Check what lies in `tmp_path` within this process, which is a second faster."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.delitem(sys.modules, "people", raising=False)
    for name in [name for name in os.environ if name.startswith("MAS_")]:
        monkeypatch.delenv(name)
    yield lambda: CliRunner().invoke(app, ["check"])
    sys.modules.pop("people", None)


@pytest.mark.parametrize(("agents", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_configuration_exits_78_and_says_why(tmp_path, check_here, agents, words):
    office(tmp_path, agents)
    ended = check_here()
    assert ended.exit_code == 78
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: ")
    for word in words:
        assert word in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("name", ["no file", "module missing", "constructor raises"])
def test_a_run_says_the_same_as_a_check(tmp_path, name):
    agents, _ = WRONG[name]
    office(tmp_path, agents)
    check, run = (mas(command, cwd=tmp_path) for command in ("check", "run"))
    complaint = "".join(line for line in run.stderr.splitlines(keepends=True) if not line.startswith("{"))
    assert (run.returncode, run.stdout, complaint) == (78, "", check.stderr)


def test_a_module_that_cannot_be_read_is_told_with_its_line(tmp_path):
    write(tmp_path, agents=GOOD, code="from mas import Agent\n\ndef (\n")
    ended = mas("check", cwd=tmp_path)
    assert ended.returncode == 78
    assert "because: SyntaxError: invalid syntax" in ended.stderr
    assert f"at: {tmp_path}/people.py, line 3" in ended.stderr


def test_a_traceback_comes_only_with_debug(tmp_path):
    ended = mas("check", "--debug", cwd=office(tmp_path, WRONG["constructor raises"][0]))
    assert ended.returncode == 78
    assert "Traceback" in ended.stderr
    assert 'raise LookupError("no key in the drawer")' in ended.stderr
    assert "error: agent a" in ended.stderr


def test_no_message_moves_the_cursor(tmp_path):
    agents = 'agents: [{agent_id: "a\\e[2Jb", class_path: "people:Echo", "\\e[31mkey\\r": 1}]'
    ended = mas("check", cwd=office(tmp_path, agents))
    assert ended.returncode == 78
    assert not {"\x1b", "\r"} & set(ended.stderr)


def test_a_named_file_that_is_missing_is_no_reason_to_search(tmp_path):
    ended = mas("run", "--config", "elsewhere.yaml", cwd=office(tmp_path, GOOD))
    assert ended.returncode == 78
    assert f"{tmp_path}/elsewhere.yaml: cannot be read" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["run", "--only", "kitchen"], "'kitchen' is not one of"),
        (["run", "--backend", "curio"], "'curio' is not one of"),
        (["chekc"], "Did you mean 'check'?"),
        (["--unheard-of"], "No such option"),
    ],
)
def test_wrong_usage_exits_2(tmp_path, arguments, word):
    ended = mas(*arguments, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert word in ended.stderr


@pytest.mark.parametrize(
    ("part", "agents", "word"),
    [
        ("agents", "start_service: true", "there are no agents to run"),
        ("service", f"{GOOD}\nstart_service: false", "there is no service to run"),
    ],
)
def test_a_part_with_nothing_to_do_is_refused(tmp_path, part, agents, word):
    ended = mas("run", "--only", part, cwd=office(tmp_path, agents))
    assert ended.returncode == 78
    assert word in ended.stderr


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_an_unreachable_redis_exits_69(tmp_path, anyio_backend):
    port = free_port()
    ended = mas(
        *("run", "--backend", anyio_backend),
        cwd=office(tmp_path, GOOD),
        MAS_SERVICE_REDIS_URL=f"redis://127.0.0.1:{port}",
        MAS_GATEWAY__REDIS__CONNECT_TIMEOUT="0.2",
    )
    assert ended.returncode == 69
    assert f"error: no Redis at 127.0.0.1:{port}" in ended.stderr
    assert "hint: start one there" in ended.stderr
    assert "Traceback" not in ended.stderr


@contextmanager
def old_redis():
    """Answer a greeting as Redis 6.2 does."""
    facts = {b"server": b"redis", b"version": b"6.2.14", b"role": b"master"}
    words = [word for fact in facts.items() for word in fact]
    hello = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                connection.sendall(hello + b"+PONG\r\n")
                connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_an_old_redis_exits_69_at_once(tmp_path, anyio_backend):
    with old_redis() as address:
        ended = mas(
            *("run", "--backend", anyio_backend),
            cwd=office(tmp_path, GOOD),
            MAS_SERVICE_REDIS_URL=f"redis://{address}",
        )
    assert ended.returncode == 69
    assert f"error: {address} is redis 6.2.14: Redis 7.0 or Valkey 7.2 is needed" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_password_exits_77_and_is_not_shown(tmp_path):
    with redis_server(port=0, password="the right one") as server:
        ended = mas(
            "run",
            cwd=office(tmp_path, GOOD),
            MAS_SERVICE_REDIS_URL=f"redis://:CANARY-password@127.0.0.1:{server.port}",
        )
    assert ended.returncode == 77
    assert "refused the password of user default" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "CANARY" not in ended.stderr + ended.stdout


def test_a_data_directory_in_use_exits_78_and_names_who_uses_it(tmp_path, anyio_backend):
    office(tmp_path, GOOD)
    with started("run", "--backend", anyio_backend, cwd=tmp_path) as first:
        first.ready()
        second = mas("run", cwd=tmp_path)
        traced = mas("run", "--debug", cwd=tmp_path)
        assert first.stop() == 0
    assert second.returncode == 78
    assert (
        f"error: the data directory {tmp_path}/.mas is in use by process {first.process.pid}" in second.stderr
    )
    assert "Traceback" not in second.stderr
    assert "Traceback" in traced.stderr


@pytest.mark.parametrize("command", ["check", "run"])
def test_what_is_probably_a_slip_is_told_and_stops_nothing(tmp_path, command):
    slip = "permissions: [{type: allow, from: ecko, to: echo}]"
    with started(command, cwd=office(tmp_path, f"{GOOD}\n{slip}")) as ended:
        told = ended.out if command == "check" else ended.err
        told.expect("permissions[0]: names ecko, which no agent here has as its id")
        assert "(did you mean echo?)" in str(told)
        assert (ended.ready().stop() if command == "run" else ended.ended()) == 0


def test_a_short_secret_exits_78_and_is_not_shown(tmp_path):
    for command in ("check", "run"):
        ended = mas(command, cwd=office(tmp_path, GOOD), MAS_SECRET="CANARY")
        assert ended.returncode == 78
        assert "MAS_SECRET: the secret is shorter than 16 bytes" in ended.stderr
        assert "CANARY" not in ended.stderr + ended.stdout
