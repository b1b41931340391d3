"""A process that never outlives its owner, however that dies, and whatever the process itself is doing.

The owner holds the writing end of a pipe in which nothing is ever written; however the owner dies, SIGKILL
included, the kernel closes it. On Linux the kernel itself then sends SIGKILL: also to code that holds the
interpreter, where no thread of ours could run. Everywhere a thread looks as well, because a forked copy of
the owner may keep the pipe open; and for systems that cannot be told which signal to send.
"""

import fcntl
import os
import select
import signal
import sys
import threading
from typing import NoReturn

_LOOK = 0.5  # seconds between looks at who our parent is


def depend_on(owner: int, lifeline: int) -> None:
    """See to it that this process ends with its owner.

    :param owner: its process id; our parent
    :param lifeline: the reading end of its pipe
    """
    os.set_inheritable(lifeline, False)
    if sys.platform == "linux":
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    # The thread's first look comes after that: an owner that has died already is not missed either.
    threading.Thread(target=_watch, args=(owner, lifeline), name="mas lifeline", daemon=True).start()


def _watch(owner: int, lifeline: int) -> NoReturn:
    while os.getppid() == owner:
        readable, _, _ = select.select([lifeline], [], [], _LOOK)
        if readable:
            break
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")
