"""`mas ps` and `mas agents ...` from a second terminal, on a tree declared in YAML."""

import json
import signal

import anyio

from mas.cli.ps import shown_runners
from mas.keys import Keys
from tests.cli.process import embedded, mas, started, write
from tests.redis.waiting import lives, until

CODE = """
import os, re, time, anyio
from mas import Agent

class Worker(Agent):
    async def on_start(self):
        print(f"{self.id} up in {os.getpid()}", flush=True)

    @Agent.on("hang")
    async def hang(self, message, _):
        print(f"{self.id} hangs", flush=True)
        re.match("(a+)+$", "a" * 100 + "b")

class Boss(Agent):
    async def on_start(self):
        await self.send("alone", "hang")
"""

AGENTS = """
permissions: [{type: allow, from: boss, to: alone}]
agents:
  - {agent_id: a, class_path: "people:Worker"}
  - {agent_id: b, class_path: "people:Worker"}
  - {agent_id: c, class_path: "people:Worker", instances: 2}
  - {agent_id: alone, class_path: "people:Worker", process: true}
  - {agent_id: quiet, class_path: "people:Worker", process: true}
supervisors:
  - {name: front, strategy: rest_for_one, children: [a, b, back]}
  - {name: back, strategy: one_for_all, children: [c]}
"""
BOSS = """
  - {agent_id: boss, class_path: "people:Boss"}
supervisors:"""


def nodes(directory):
    """Return what the bulletin shows, by path; read here, since a process takes its time to start."""
    return anyio.run(on_the_board, directory, backend="trio")


async def on_the_board(directory):
    (runner,) = await shown_runners(directory)
    return {node.path: node for node in runner.tree.walk()}


def counts(directory):
    return {path: node.restarts for path, node in nodes(directory).items() if node.restarts}


def security_events(directory):
    with embedded(directory) as client:
        records = [json.loads(fields[b"record"]) for _, fields in client.xrange(Keys().audit_security)]
    return [record for record in records if record["event"] == "CONTROL"]


def test_the_declared_tree_is_shown_as_a_tree(tmp_path):
    with started("run", cwd=write(tmp_path, code=CODE, agents=AGENTS)) as run:
        run.ready()
        shown = mas("ps", cwd=tmp_path)
        assert shown.returncode == 0
        lines = shown.stdout.splitlines()
        assert f"pid {run.process.pid}  agents, gateway, service" in lines[0]
        drawn = [line[: lines[1].index("STATE")].rstrip() for line in lines]
        tree = drawn[drawn.index("└── agents (one_for_one)") :]
        assert tree == [
            "└── agents (one_for_one)",
            "    ├── front (rest_for_one)",
            "    │   ├── a",
            "    │   ├── b",
            "    │   └── back (one_for_all)",
            "    │       ├── c-1",
            "    │       └── c-2",
            "    ├── alone",
            "    └── quiet",
        ]
        assert all("running" in line for line in lines[2:])
        (alone,) = [line for line in lines if "alone" in line]
        as_json = mas("ps", "--json", cwd=tmp_path)
        (runner,) = json.loads(as_json.stdout)
        assert runner["pid"] == run.process.pid
        assert runner["tree"]["children"][-1]["path"] == "agents"
        assert f" {nodes(tmp_path)['agents/alone'].pid}" in alone
        assert run.stop() == 0


def test_a_restart_under_rest_for_one_restarts_it_and_those_after_it_in_order(tmp_path):
    with started("run", cwd=write(tmp_path, code=CODE, agents=AGENTS)) as run:
        run.ready()
        run.out.expect(" up in ", times=6)
        done = mas("agents", "restart", "b", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("agents/front/b on ")
        assert done.stdout.endswith(": running; restarted with it: back\n")
        run.out.expect("c up", times=4)
        assert [line.split()[0] for line in run.out.lines[6:]] == ["b", "c", "c"]
        assert counts(tmp_path) == {"agents/front/b": 1, "agents/front/back": 1}
        (event,) = security_events(tmp_path)
        assert event["event"] == "CONTROL"
        assert event["subject"] == "agents/front/b"
        assert event["detail"] == "restart: done"
        assert "@" in event["actor"]
        assert run.stop() == 0


def test_instances_that_depend_on_each_other_are_restarted_once_when_their_agent_is(tmp_path):
    with started("run", cwd=write(tmp_path, code=CODE, agents=AGENTS)) as run:
        run.ready()
        done = mas("agents", "restart", "c", cwd=tmp_path)
        (line,) = done.stdout.splitlines()
        assert line.startswith("agents/front/back/c-1 on ")
        assert line.endswith(": running; restarted with it: c-2")
        assert counts(tmp_path) == {"agents/front/back/c-1": 1, "agents/front/back/c-2": 1}
        mas("agents", "stop", "c-2", cwd=tmp_path)
        done = mas("agents", "restart", "c", cwd=tmp_path)
        assert [line.split()[0] for line in done.stdout.splitlines()] == [
            "agents/front/back/c-1",
            "agents/front/back/c-2",
        ]
        assert nodes(tmp_path)["agents/front/back/c-2"].state == "running"
        assert run.stop() == 0


def test_each_word_does_what_it_says(tmp_path):
    def state(path):
        return nodes(tmp_path)[path].state

    def say(*words):
        done = mas("agents", *words, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    with started("run", cwd=write(tmp_path, code=CODE, agents=AGENTS)) as run:
        run.ready()
        say("pause", "c")
        assert (state("agents/front/back/c-1"), state("agents/front/back/c-2")) == ("paused", "paused")
        say("resume", "c-2")
        assert (state("agents/front/back/c-1"), state("agents/front/back/c-2")) == ("paused", "running")
        assert say("resume", "back").endswith(": running; resumed below: c-1\n")
        assert state("agents/front/back/c-1") == "running"
        assert "paused" in say("drain", "quiet")
        say("resume", "agents/quiet")
        assert say("drain", "back").endswith(": running; drained below: c-1, c-2\n")
        assert say("pause", "back").endswith(": running; paused below: c-1, c-2\n")
        say("resume", "front")
        say("stop", "front/a")
        assert state("agents/front/a") == "stopped"
        say("start", "a")
        assert state("agents/front/a") == "running"
        say("stop", "front")
        assert state("agents/front") == "stopped"
        say("start", "front")
        assert state("agents/front/back/c-2") == "running"
        assert run.stop() == 0


def test_what_cannot_be_done_is_told_with_exit_code_1(tmp_path):
    with started("run", cwd=write(tmp_path, code=CODE, agents=AGENTS)) as run:
        run.ready()
        for words, problem in [
            (("restart", "quite"), "quite is not a child of anything that runs; did you mean quiet?"),
            (("restart", "gateway"), "gateway is not a child of anything that runs"),
            (("restart", "a", "--runner", "nobody"), "a is not a child of runner nobody"),
            (("resume", "a"), "agents/front/a is not paused: it is running"),
        ]:
            done = mas("agents", *words, cwd=tmp_path)
            assert done.returncode == 1
            assert done.stdout == ""
            assert f"error: {problem}" in done.stderr
        assert run.stop() == 0


def test_where_nothing_runs_that_is_told(tmp_path, redis_url):
    directory = write(tmp_path, code=CODE, agents=f"service_redis_url: {redis_url}\n{AGENTS}")
    secret = {"MAS_SECRET": "a secret of sixteen bytes and more"}
    shown = mas("ps", cwd=directory, **secret)
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "", "nothing runs\n")
    assert json.loads(mas("ps", "--json", cwd=directory, **secret).stdout) == []
    assert mas("agents", "stop", "a", cwd=directory, **secret).returncode == 1


def test_without_the_secret_nothing_is_shown_and_none_is_made(tmp_path, redis_url):
    directory = write(tmp_path, code=CODE, agents=f"service_redis_url: {redis_url}\n{AGENTS}")
    shown = mas("ps", cwd=directory)
    assert shown.returncode == 78
    assert "the deployment's secret is not here" in shown.stderr
    assert not (tmp_path / ".mas" / "secret").exists()


def test_where_no_embedded_server_runs_that_is_told_at_once(tmp_path):
    shown = mas("ps", cwd=write(tmp_path, code=CODE, agents=AGENTS), MAS_SECRET="a secret of sixteen bytes")
    assert (shown.returncode, shown.stdout) == (69, "")
    told, *more = shown.stderr.splitlines()
    assert told.startswith("error: nothing runs here: no server listens at ")
    assert more == ["  hint: start the system with mas run"]


def test_without_a_server_it_is_redis_that_is_missing(tmp_path):
    url = f"service_redis_url: unix://{tmp_path}/none.sock\ngateway: {{redis: {{connect_timeout: 0.3}}}}\n"
    directory = write(tmp_path, code=CODE, agents=url + AGENTS)
    shown = mas("ps", cwd=directory, MAS_SECRET="a secret of sixteen bytes and more")
    assert shown.returncode == 69


async def test_a_supervisor_that_is_killed_leaves_no_agent_process_behind(tmp_path, anyio_backend):
    directory = write(tmp_path, code=CODE, agents=AGENTS.replace("\nsupervisors:", BOSS))
    with started("run", "--backend", anyio_backend, cwd=directory) as run:
        run.ready()
        # Its handler holds the interpreter: no thread of its process can run.
        run.out.expect("alone hangs")
        pids = [(await on_the_board(directory))[f"agents/{name}"].pid for name in ("alone", "quiet")]
        assert all(map(lives, pids))
        run.signal(signal.SIGKILL)
        run.ended()
        await until(lambda: not any(map(lives, pids)))
