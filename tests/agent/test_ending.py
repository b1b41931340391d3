"""What an exit status means, said so that whoever reads it knows what to look at."""

import signal

import pytest

from mas.agent.process import ending
from mas.agent.process.ending import failure, kills_for_memory
from mas.agent.process.words import Crashed

CRASH = Crashed("ValueError: no", "Traceback ...")


@pytest.mark.parametrize(
    ("status", "crash", "killed", "said", "name"),
    [
        (-signal.SIGKILL, None, 0, "was killed by SIGKILL", "SIGKILL"),
        (-signal.SIGKILL, None, 2, "was killed by SIGKILL; the system ran out of memory", "SIGKILL"),
        (-signal.SIGSEGV, None, 2, "was killed by SIGSEGV", "SIGSEGV"),
        (-signal.SIGABRT, CRASH, 0, "was killed by SIGABRT", "SIGABRT"),
        (-200, None, 0, "was killed by signal 200", "signal 200"),
        (1, CRASH, 0, "crashed: ValueError: no", ""),
        (3, None, 0, "ended by itself with status 3", ""),
    ],
)
def test_an_ending_is_blamed_on_what_caused_it(status, crash, killed, said, name):
    error = failure("echo-1", 4711, status, crash, killed=killed)
    assert error is not None
    assert str(error).startswith(f"echo-1 (process 4711) {said}")
    assert ("out of memory" in str(error)) == ("out of memory" in said)
    assert error.signal == name


def test_a_process_that_just_ends_is_blamed_for_nothing():
    assert failure("echo-1", 4711, 0, None, killed=0) is None


def test_what_the_process_reported_is_a_note_on_the_error():
    error = failure("echo-1", 4711, 1, CRASH, killed=0)
    assert error is not None
    assert error.__notes__ == ["In process 4711:\nTraceback ..."]


def test_the_systems_own_count_of_kills_is_read(tmp_path, monkeypatch):
    counts = tmp_path / "vmstat"
    counts.write_text("nr_free_pages 1\noom_kill 7\n")
    monkeypatch.setattr(ending, "_KILLS", counts)
    assert kills_for_memory() == 7
    counts.unlink()
    assert kills_for_memory() == 0
