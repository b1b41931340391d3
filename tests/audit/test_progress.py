"""The bar of a verification: on a terminal alone, never among the data, gone at the end."""

import json
import os
import pty
import re
import subprocess
import sys

import anyio
import pytest

from mas.audit import PublicKeys, verify_file
from mas.audit.export import as_lines

RECORDS = 6000


@pytest.fixture
async def file(desk):
    await desk.write(RECORDS)
    await desk.seal_all()
    path = desk.directory / "export.jsonl"
    path.write_bytes(b"".join([line async for chunk in desk.trail.export() for line in as_lines(chunk)]))
    return path


def verified(desk, file, term="xterm", **environ):
    """Verify a file with stderr on a terminal; return stdout and what the terminal was sent."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "mas", "audit", "verify", "--json", "--export", str(file)]
    with subprocess.Popen(
        [*command, "--public-key", str(desk.places.public)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": term, "COLUMNS": "100", **environ},
    ) as process:
        os.close(theirs)
        assert process.stdout is not None
        told, shown = process.stdout.read(), b""
        while piece := _piece(ours):
            shown += piece
    os.close(ours)
    assert process.returncode == 3
    return told, shown.decode()


def _piece(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


async def test_a_terminal_is_shown_how_far_it_is_and_the_data_are_data_alone(desk, file):
    told, shown = await anyio.to_thread.run_sync(verified, desk, file)
    assert json.loads(told)["sealed"] >= RECORDS
    assert told.count(b"\n") == 1
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert re.search(r"verifying .* \d+% [\d,]+ records", plain)
    assert shown.endswith("\x1b[2K"), "it is wiped out at the end"


@pytest.mark.parametrize("term", ["dumb", "unknown"])
async def test_a_terminal_that_cannot_move_its_cursor_is_shown_nothing(desk, file, term):
    _, shown = await anyio.to_thread.run_sync(verified, desk, file, term)
    assert shown == ""


async def test_where_stderr_is_no_terminal_nothing_is_shown_whatever_the_environment_asks(desk, file):
    command = [sys.executable, "-m", "mas", "audit", "verify", "--export", str(file)]
    done = await anyio.run_process(
        [*command, "--public-key", str(desk.places.public)],
        check=False,
        env={**os.environ, "FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "TERM": "xterm"},
    )
    assert (done.returncode, done.stderr) == (3, b"")
    assert done.stdout.startswith(b"6,")
    assert b"\x1b" not in done.stdout


async def test_progress_grows_to_all_of_it_live_and_from_a_file(desk, file):
    live, offline = [], []
    await desk.verify(progress=lambda *step: live.append(step))
    verify_file(file, PublicKeys.load(desk.places.public), progress=lambda *step: offline.append(step))
    for steps in (live, offline):
        assert len(steps) > 5
        assert steps == sorted(steps)
        assert 0 < steps[0][1] < 0.5 < steps[-1][1] <= 1
    assert live[-1][0] >= RECORDS
