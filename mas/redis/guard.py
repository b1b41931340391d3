"""Run a server that must not outlive its owner: `python -I -S guard.py OWNER_PID GRACE COMMAND...`.

Why a process between owner and server, and not PR_SET_PDEATHSIG alone: that signal is sent when the *thread*
that started the child ends, and event loops start children from worker threads; it is also Linux's alone. A
pipe needs neither: the owner holds its writing end, and however the owner dies, SIGKILL included, the kernel
closes it. This process has one thread, so the server may carry PR_SET_PDEATHSIG on Linux against the guard
itself being killed.

Ends the server (SIGTERM, after GRACE seconds SIGKILL) when standard input closes, when the owner is no longer
its parent (a forked copy of the owner may keep the pipe open), or on SIGTERM; ends with the server's own exit
status when that ends first. A command whose last word is `-` reads the first line that the owner writes: a
password travels by it, and never as an argument, which anybody can read. Imports the standard library only,
to be up within milliseconds.
"""

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from types import FrameType

_PR_SET_PDEATHSIG = 1
_LOOK = 0.5  # seconds between looks at who our parent is


def main() -> int:
    """Start the server, wait for whatever comes first, and leave nothing behind."""
    owner, grace, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    # A signal's arrival is a byte in this pipe, so that one select waits for everything.
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    asked_to_stop: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGTERM:
            asked_to_stop.append(number)

    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGCHLD, note)
    # Ctrl-C is for the owner, which stops its children in its own order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    told = b""
    if command[-1] == "-" and not (told := _first_line()).endswith(b"\n"):
        return 1  # nobody is left that it could serve
    server = subprocess.Popen(  # noqa: S603 - what the owner asked for
        command,
        stdin=subprocess.PIPE if told else subprocess.DEVNULL,
        preexec_fn=partial(_die_with, os.getpid()),  # noqa: PLW1509 - safe: there is one thread
    )
    if server.stdin is not None:
        with server.stdin as pipe, suppress(BrokenPipeError):
            pipe.write(told)
    while server.poll() is None:
        readable, _, _ = select.select([sys.stdin.fileno(), woken], [], [], _LOOK)
        if woken in readable:
            os.read(woken, 4096)
        owner_gone = os.getppid() != owner
        if sys.stdin.fileno() in readable and not os.read(sys.stdin.fileno(), 4096):
            owner_gone = True
        if owner_gone or asked_to_stop:
            return _stop(server, grace)
    return server.returncode


def _first_line() -> bytes:
    """Wait for the owner's first line; less than that if it died before it had written it."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(sys.stdin.fileno(), 1)):
        line += byte
    return line


def _stop(server: "subprocess.Popen[bytes]", grace: float) -> int:
    server.terminate()
    try:
        return server.wait(grace)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


def _die_with(guard: int) -> None:
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - of use on Linux only

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(1)  # it died before the signal was asked for


if __name__ == "__main__":
    code = main()
    # A shell's convention, since a process cannot exit with a negative status.
    sys.exit(code if code >= 0 else 128 - code)
