"""`mas run` as an operator meets it: it starts, obeys signals, and leaves nothing behind."""

import json
import os
import signal
from contextlib import suppress
from subprocess import TimeoutExpired

import pytest
import redis
from redis.exceptions import RedisError

from tests.cli.process import embedded, gone, mas, started, write

CODE = """
import time, anyio
from mas import Agent

class Worker(Agent):
    @Agent.on("work")
    async def work(self, message, _):
        print("working", flush=True)
        await anyio.sleep(message.data["seconds"])
        print("finished", flush=True)

class Boss(Agent):
    def __init__(self, agent_id, seconds):
        super().__init__(agent_id)
        self.seconds = seconds

    async def on_start(self):
        await self.send("worker", "work", {"seconds": self.seconds})
"""

AGENTS = """
permissions: [{type: allow, from: boss, to: worker}]
agents:
  - {agent_id: worker, class_path: "people:Worker", shutdown: 60}
  - {agent_id: boss, class_path: "people:Boss", init_kwargs: {seconds: SECONDS}}
"""


def office(directory, seconds):
    return write(directory, code=CODE, agents=AGENTS.replace("SECONDS", str(seconds)))


def server_pid(directory):
    with embedded(directory) as client:
        return client.info("server")["process_id"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_a_handler_finish(tmp_path, anyio_backend, number):
    with started("run", "--backend", anyio_backend, cwd=office(tmp_path, 0.5)) as run:
        run.out.expect("working")
        server = server_pid(tmp_path)
        run.signal(number)
        assert run.ended() == 0
    assert run.out.lines == ["working\n", "finished\n"]
    assert gone(server)


def test_the_second_signal_leaves_a_handler_unfinished_and_its_message_pending(
    tmp_path, anyio_backend, redis_url
):
    with started(
        "run", "--backend", anyio_backend, cwd=office(tmp_path, 60), MAS_SERVICE_REDIS_URL=redis_url
    ) as run:
        run.out.expect("working")
        run.signal()
        run.err.expect("stopping")
        run.signal()
        assert run.ended() == 0
    assert run.out.lines == ["working\n"]
    assert "stopping now" in str(run.err)
    with redis.Redis.from_url(redis_url, protocol=2, client_name="mas:testing") as client:
        assert client.xpending("agent.stream:worker", "agents")["pending"] == 1


def test_what_outlasts_the_grace_is_cancelled(tmp_path, anyio_backend):
    with started(
        "run", "--backend", anyio_backend, cwd=office(tmp_path, 60), MAS_SHUTDOWN_GRACE="0.3"
    ) as run:
        run.out.expect("working")
        assert run.stop() == 0
    assert run.out.lines == ["working\n"]


def test_a_signal_during_the_start_stops_it(tmp_path, anyio_backend):
    with started("run", "--backend", anyio_backend, cwd=office(tmp_path, 0)) as run:
        run.err.expect("redis started")
        run.signal()
        assert run.ended() == 0
    with embedded(tmp_path) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_the_third_signal_ends_a_process_whose_loop_is_blocked(tmp_path, anyio_backend):
    code = "import time\nfrom mas import Agent\n\nclass Rude(Agent):\n    async def on_start(self):\n"
    code += "        print('blocked', flush=True)\n        time.sleep(600)\n"
    write(tmp_path, code=code, agents='agents: [{agent_id: rude, class_path: "people:Rude"}]')
    with started("run", "--backend", anyio_backend, cwd=tmp_path) as run:
        run.out.expect("blocked")
        server = server_pid(tmp_path)
        while run.process.poll() is None:
            run.signal()
            with suppress(TimeoutExpired):
                run.process.wait(0.05)
        assert run.ended() == 128 + signal.SIGTERM
    while not gone(server):
        os.sched_yield()


def test_a_child_that_ignores_its_cancellation_is_named_and_the_process_ends(tmp_path, anyio_backend):
    code = "import anyio\nfrom mas import Agent\n\nclass Deaf(Agent):\n    async def on_start(self):\n"
    code += "        with anyio.CancelScope(shield=True):\n            await anyio.sleep_forever()\n"
    agents = 'agents: [{agent_id: deaf, class_path: "people:Deaf", shutdown: 0.1}]'
    with started("run", "--backend", anyio_backend, cwd=write(tmp_path, code=code, agents=agents)) as run:
        run.ready()
        server = server_pid(tmp_path)
        assert run.stop() == 1
    last = json.loads(run.err.lines[-1])
    assert (last["level"], last["children"]) == ("critical", ["agents/deaf"])
    assert gone(server)


def test_a_spent_budget_of_the_root_exits_1(tmp_path):
    with started("run", cwd=office(tmp_path, 0)) as run:
        run.ready()
        while run.process.poll() is None:
            with suppress(RedisError):
                os.kill(server_pid(tmp_path), signal.SIGKILL)
        assert run.ended() == 1
    assert "error: redis failed again after" in str(run.err)
    assert "Traceback" not in "".join(line for line in run.err.lines if not line.startswith("{"))


def test_an_agent_that_is_given_up_takes_nobody_along(tmp_path):
    code = "from mas import Agent\n\nclass Frail(Agent):\n    async def on_start(self):\n"
    code += "        raise OSError('no legs')\n"
    agents = 'agents: [{agent_id: frail, class_path: "people:Frail", max_restarts: 1}]'
    with started("run", cwd=write(tmp_path, code=code, agents=agents)) as run:
        run.err.expect("agents/frail gave up")
        assert run.stop() == 0


def test_data_goes_to_stdout_and_events_to_stderr_one_a_line(tmp_path, anyio_backend):
    with started("run", "--backend", anyio_backend, cwd=office(tmp_path, 0)) as run:
        run.out.expect("finished")
        assert run.stop() == 0
    assert run.out.lines == ["working\n", "finished\n"]
    for line in run.err.lines:
        assert json.loads(line).keys() >= {"timestamp", "level", "logger", "message"}


def test_the_level_of_the_log_is_chosen(tmp_path):
    with started("run", "--log-level", "error", cwd=office(tmp_path, 0)) as run:
        run.out.expect("finished")
        assert run.stop() == 0
    assert not run.err.lines


def test_two_runs_do_not_share_a_data_directory(tmp_path):
    with started("run", cwd=office(tmp_path, 0)) as run:
        run.ready()
        second = mas("run", cwd=tmp_path)
        assert second.returncode == 78
        assert f"in use by process {run.process.pid}" in second.stderr
        assert run.stop() == 0


def test_without_a_command_it_runs(tmp_path):
    with started(cwd=office(tmp_path, 0)) as run:
        run.out.expect("finished")
        assert run.stop() == 0


def test_options_without_a_command_are_those_of_run(tmp_path):
    with started("--config", office(tmp_path, 0) / "agents.yaml", cwd="/") as run:
        run.out.expect("finished")
        assert run.stop() == 0
