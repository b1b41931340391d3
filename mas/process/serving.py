"""The process's side: what its owner says, and what it says to its owner."""

import os
import select
import signal
from collections.abc import AsyncIterator
from types import FrameType

import anyio

from mas.process.lifeline import depend_on
from mas.process.lines import Lines

_READ = 65_536
_LONGEST = 1 << 30
"""Bytes of a line from the owner, which is trusted."""

_FOR_THE_OWNER = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Whoever stops a whole service, or presses Ctrl-C, often signals each of its processes. The owner stops its
children in its own order, when what they have in hand is done."""


class Serving:
    """Binds this process to its owner. The code that runs in it finds an empty standard input.

    :param owner: process id of who started this
    :param lifeline: the descriptor that closes when the owner dies
    :param reports: the descriptor to report on
    """

    def __init__(self, owner: int, lifeline: int, reports: int) -> None:
        depend_on(owner, lifeline)
        os.set_inheritable(reports, False)
        for number in _FOR_THE_OWNER:
            # Not ignored: that would be handed down to whatever the code that runs here starts.
            signal.signal(number, _leave_it)
        self._orders, self._reports, self._lines = _take_over_stdin(), reports, Lines(_LONGEST)
        self._early: list[bytes] = []

    def first(self) -> bytes | None:
        """Wait for the first line, blocking; None if the owner closed the pipe before."""
        while data := os.read(self._orders, _READ):
            if lines := self._lines.take(data):
                self._early = lines[1:]
                return lines[0]
        return None

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the lines after the first, until the owner wants nothing any more and closes the pipe."""
        os.set_blocking(self._orders, False)
        lines = self._early
        while True:
            for line in lines:
                yield line
            await anyio.wait_readable(self._orders)
            data = os.read(self._orders, _READ)
            if not data:
                return
            lines = self._lines.take(data)

    def report(self, line: bytes) -> None:
        """Write a line to the owner, without its end; one that is gone is told nothing."""
        data = line + b"\n"
        try:
            while data:
                data = data[os.write(self._reports, data) :]
        except OSError:
            return

    def offer(self, line: bytes) -> bool:
        """Write a line to the owner if that needs no waiting, and say whether it was written.

        :param line: without its end; at most 511 bytes
        """
        return written_at_once(self._reports, line + b"\n")


def written_at_once(pipe: int, data: bytes) -> bool:
    """Write to a pipe if that needs no waiting, and say whether it was written.

    :param data: no more than goes out whole or not at all
    """
    assert len(data) <= select.PIPE_BUF  # noqa: S101 - the caller's part
    look = select.poll()
    look.register(pipe, select.POLLOUT)
    if not any(event & select.POLLOUT for _, event in look.poll(0)):
        return False
    try:
        return os.write(pipe, data) == len(data)
    except OSError:
        return False


def _leave_it(_: int, __: FrameType | None) -> None:
    """Do nothing about a signal."""


def _take_over_stdin() -> int:
    """Return what the owner's words come from, and put nothing in its place."""
    orders = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return orders
