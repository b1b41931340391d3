"""SIGHUP puts permissions and gateway settings in force, or keeps the last good ones."""

import signal

from tests.cli.process import started, write

CODE = """
import anyio
from mas import Agent, MessageRefused

class Door(Agent):
    @Agent.on("knock")
    async def open(self, message, _):
        await message.reply("welcome")

class Guest(Agent):
    async def on_start(self):
        while True:
            try:
                await self.request("door", "knock", timeout=20)
                print("let in", flush=True)
            except MessageRefused as refusal:
                print(refusal.decision, flush=True)
            await anyio.sleep(0.05)
"""
CLOSED = """
agents:
  - {agent_id: door, class_path: people:Door}
  - {agent_id: guest, class_path: people:Guest}
"""
OPEN = f"{CLOSED}\npermissions: [{{type: allow, from: guest, to: door}}]\n"


def test_a_grant_binds_after_a_hangup_and_is_gone_after_the_next(tmp_path, anyio_backend):
    write(tmp_path, code=CODE, agents=CLOSED)
    with started("run", "--backend", anyio_backend, cwd=tmp_path) as run:
        run.out.expect("AUTHZ_DENIED")
        write(tmp_path, agents=OPEN)
        run.signal(signal.SIGHUP)
        run.out.expect("let in")
        denied = str(run.out).count("AUTHZ_DENIED")
        write(tmp_path, agents=CLOSED)
        run.signal(signal.SIGHUP)
        run.out.expect("AUTHZ_DENIED", times=denied + 1)
        assert run.stop() == 0


def test_a_file_that_cannot_be_used_changes_nothing(tmp_path):
    write(tmp_path, code=CODE, agents=OPEN)
    with started("run", cwd=tmp_path) as run:
        run.out.expect("let in")
        write(tmp_path, agents="permissions: [{type: everything}]")
        run.signal(signal.SIGHUP)
        assert "agents.yaml:1: permissions[0].type" in run.err.expect("not reloaded")
        run.out.expect("let in", times=str(run.out).count("let in") + 2)
        assert run.stop() == 0
    assert "AUTHZ_DENIED" not in str(run.out)


def test_a_gateway_setting_binds_after_a_hangup_and_is_gone_after_the_next(tmp_path, anyio_backend):
    write(tmp_path, code=CODE, agents=OPEN)
    with started("run", "--backend", anyio_backend, cwd=tmp_path) as run:
        run.out.expect("let in")
        write(tmp_path, gateway="rate_limit: {per_hour: 1}")
        run.signal(signal.SIGHUP)
        run.out.expect("RATE_LIMITED")
        (tmp_path / "gateway.yaml").unlink()
        run.signal(signal.SIGHUP)
        run.out.expect("let in", times=str(run.out).count("let in") + 2)
        assert run.stop() == 0


def test_a_gateway_file_that_cannot_be_used_changes_neither_settings_nor_permissions(tmp_path):
    write(tmp_path, code=CODE, agents=OPEN, gateway="rate_limit: {per_hour: 100000}")
    with started("run", cwd=tmp_path) as run:
        run.out.expect("let in")
        write(tmp_path, agents=CLOSED, gateway="rate_limit: {per_hour: 0}")
        run.signal(signal.SIGHUP)
        assert "gateway.yaml:1: rate_limit.per_hour" in run.err.expect("not reloaded")
        run.out.expect("let in", times=str(run.out).count("let in") + 2)
        assert run.stop() == 0
    assert "AUTHZ_DENIED" not in str(run.out)


def test_what_waits_for_a_restart_is_named_and_the_rest_is_in_force(tmp_path):
    write(tmp_path, code=CODE, agents=OPEN)
    with started("run", cwd=tmp_path) as run:
        run.ready()
        write(
            tmp_path,
            agents=f"{CLOSED}\nshutdown_grace: 3\n",
            gateway="{delivery: {lease: 9}, features: {dlp: false}}",
        )
        run.signal(signal.SIGHUP)
        told = run.err.expect("other settings have changed too")
        assert "shutdown_grace, gateway.delivery.lease" in told
        run.out.expect("AUTHZ_DENIED")
        assert '"off": "dlp"' in run.err.expect("policies are switched off")
        assert run.stop() == 0


def test_without_a_gateway_there_is_nothing_to_reload(tmp_path):
    write(tmp_path, code=CODE, agents=OPEN)
    with started("run", "--only", "service", cwd=tmp_path) as run:
        run.ready()
        run.signal(signal.SIGHUP)
        assert "none runs in this process" in run.err.expect("not reloaded")
        assert run.stop() == 0


def test_the_start_says_which_policies_are_switched_off(tmp_path):
    gateway = "{features: {rbac: false, message_signing: false}, rate_limit: {enabled: false}}"
    write(tmp_path, code=CODE, agents=OPEN, gateway=gateway)
    with started("run", cwd=tmp_path) as run:
        told = run.err.expect("policies are switched off")
        assert '"off": "rbac, message_signing, rate_limit"' in told
        run.ready()
        assert run.stop() == 0
