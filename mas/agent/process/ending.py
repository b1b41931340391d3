"""What became of a process: said so that whoever reads it knows what to look at."""

import signal
from pathlib import Path

from mas.agent.process.words import Crashed
from mas.errors import ProcessFailed

_KILLS = Path("/proc/vmstat")


def kills_for_memory() -> int:
    """Return how many processes the system has killed for want of memory; 0 where nobody counts."""
    try:
        text = _KILLS.read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill ")), 0)


def failure(name: str, pid: int, status: int, crash: Crashed | None, *, killed: int) -> ProcessFailed | None:
    """Return what a process that nobody told to end is to be blamed for; None if it just ended.

    :param status: its exit status; below 0 the signal that ended it
    :param crash: what it reported, if it could
    :param killed: processes that were killed for want of memory during its life
    """
    if status < 0:
        name_of = _signal(-status)
        return ProcessFailed(name, pid, f"was killed by {name_of}{_likely(name_of, killed)}", signal=name_of)
    if crash is not None:
        error = ProcessFailed(name, pid, f"crashed: {crash.error}")
        error.add_note(f"In process {pid}:\n{crash.trace}")
        return error
    return ProcessFailed(name, pid, f"ended by itself with status {status}") if status else None


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _likely(name: str, killed: int) -> str:
    return (
        "; the system ran out of memory and killed processes meanwhile"
        if name == "SIGKILL" and killed
        else ""
    )
