"""The documented way of running an agent elsewhere, done as it is written: its files, its commands."""

import re
import shlex
import subprocess
import sys

import pytest

from mas.testing.server import redis_server
from tests.cli.process import environ, mas, started
from tests.test_docs import blocks

SECTION = [each for each in blocks("DOCUMENTATION.md") if each.section == "Agents that run elsewhere"]
COMMANDS = [line for each in SECTION if each.language == "bash" for line in each.text.splitlines()]


@pytest.fixture
def server():
    with redis_server(port=0, password="change-me") as started_server:
        yield started_server


def test_its_commands_and_files_do_what_it_says(tmp_path, anyio_backend, server):
    here, far = tmp_path / "here", tmp_path / "far"
    here.mkdir()
    far.mkdir()
    for block in SECTION:
        if block.file:
            place = far if block.file == "clerk.py" else here
            text, urls = re.subn(r"redis://:change-me@localhost:6379/0", server.url, block.text)
            assert urls == (block.file == "agents.yaml")
            (place / block.file).write_text(text)
    said = {}
    with started("run", "--backend", anyio_backend, cwd=here) as run:
        run.ready()
        for line in COMMANDS:
            program, *words = shlex.split(line)
            assert program == "mas"
            # What is redeemed is redeemed far away, with nothing but the grant.
            at = far if "redeem" in words else here
            done = mas(*words, cwd=at)
            assert done.returncode == 0, (line, done.stderr)
            said[" ".join(words[:2])] = done.stdout
            for name in ("clerk.json", "clerk.grant.json"):
                if (here / name).exists():
                    assert (here / name).stat().st_mode & 0o777 == 0o600
                    (here / name).rename(far / name)
                    if name == "clerk.json":
                        assert played(far) == "{'page': 1}\n"
        assert (far / "office.json").exists()
        assert run.stop() == 0
    assert "elsewhere" in said["agents list"]
    assert said["agents revoke"] == "clerk:office revoked: its token is gone\n"
    assert said["agents lift"] == "clerk:office may enrol again\n"
    assert len(COMMANDS) == 6


def played(directory):
    """Run the agent and return what it printed."""
    done = subprocess.run(
        [sys.executable, "clerk.py"],
        cwd=directory,
        env=environ(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
