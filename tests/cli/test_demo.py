import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.cli.process import PATIENCE, command, environ, mas, started

STORY = (
    "customer ─▶ baker     bread.order  rye",
    "customer ◀─ baker     loaf 1, rye",
    "stranger ─✗ gateway   AUTHZ_DENIED  stranger -> baker (bread.order): nothing grants it",
    "baker    ✗            OvenOnFire: the oven is on fire",
    "baker    ↻            its supervisor restarts it",
    "baker    ✓            reads its mail again",
    "customer ◀─ baker     loaf 2, spelt",
    "audit    4 ALLOWED, 1 AUTHZ_DENIED",
    "stopped  everything",
)


@pytest.fixture
def short():
    """Make a directory whose path leaves room for that of a socket."""
    with tempfile.TemporaryDirectory(prefix="mas-test-") as directory:
        yield Path(directory)


def test_it_shows_a_reply_a_refusal_and_a_recovery_then_stops(short, anyio_backend):
    began = time.monotonic()
    ended = mas("demo", "--backend", anyio_backend, cwd=short, TMPDIR=str(short))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert time.monotonic() - began < 15
    places = [ended.stdout.find(scene) for scene in STORY]
    assert -1 not in places
    assert places == sorted(places)
    assert "\x1b" not in ended.stdout
    assert not list(short.iterdir())


def test_it_heeds_no_configuration_and_no_variable_of_the_user(tmp_path):
    (tmp_path / "agents.yaml").write_text("broken: [")
    ended = mas("demo", cwd=tmp_path, MAS_NO_SUCH_THING="1", MAS_SERVICE_REDIS_URL="redis://127.0.0.1:1")
    assert ended.returncode == 0


def test_where_unicode_cannot_be_printed_it_is_told_in_ascii(tmp_path):
    ended = mas("demo", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert ended.returncode == 0
    assert "customer -> baker" in ended.stdout
    assert ended.stdout.isascii()


def test_on_a_terminal_it_has_colours(tmp_path):
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", 0) as screen:
        process = subprocess.Popen(
            command("demo"), cwd=tmp_path, env=environ(TERM="xterm-256color"), stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        shown = b""
        try:
            while piece := screen.read(65536):
                shown += piece
        except OSError:
            pass  # how a terminal says that nobody writes to it any more
        assert process.wait(PATIENCE) == 0
    text = shown.decode()
    assert "\x1b[36m─▶" in text
    assert "\x1b[31mAUTHZ_DENIED" in text
    assert "loaf 2, spelt" in re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_can_be_left_at_any_time(short, anyio_backend, number):
    with started("demo", "--backend", anyio_backend, cwd=short, TMPDIR=str(short)) as demo:
        demo.out.expect("MAS demo")
        demo.signal(number)
        assert demo.ended() == 130
    assert "Traceback" not in str(demo.err)
    assert not list(short.iterdir())
