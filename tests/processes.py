"""Run `python -m mas` as a user does: in a directory, until it has said something, then Ctrl+C."""

import os
import signal
import subprocess
import sys
from pathlib import Path


def run_until(line: str, directory: Path, data_dir: Path, *arguments: str) -> str:
    """Run MAS until a line of its output begins so, stop it as Ctrl+C does, and return all it printed.

    It must stop with exit code 0 and, on the standard error output, without a traceback.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "mas", *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "MAS_DATA_DIR": str(data_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    printed: list[str] = []
    try:
        assert process.stdout is not None
        for said in process.stdout:
            printed.append(said)
            if said.startswith(line):
                break
        process.send_signal(signal.SIGINT)
        rest, logged = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    output = "".join(printed) + rest
    assert process.returncode == 0, f"exit code {process.returncode}\n{output}\n{logged}"
    assert "Traceback" not in logged, logged
    return output
