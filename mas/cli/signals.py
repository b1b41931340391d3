"""What the process is told from outside: once to stop, twice to stop now, thrice to die; and to reload."""

import os
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from enum import IntEnum
from types import FrameType
from typing import Self

import anyio


class Word(IntEnum):
    """What a signal asks for."""

    STOP = 1
    STOP_NOW = 2
    RELOAD = 3


class Signals:
    """The words heard and not yet taken; iterate over it to take them.

    The counting is done in the handlers themselves, which run even while the event loop is blocked: the
    third SIGINT or SIGTERM ends the process whatever it is doing.
    """

    def __init__(self, reading: socket.socket, writing: socket.socket) -> None:
        self._reading, self._writing = reading, writing
        self._stops = 0

    @property
    def stopping(self) -> bool:
        """Whether the process was told to stop."""
        return self._stops > 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Word:
        await anyio.wait_readable(self._reading)
        return Word(self._reading.recv(1)[0])

    def hear(self, number: int, _: FrameType | None = None) -> None:
        """Take a signal; a handler as `signal.signal` wants it."""
        if number == signal.SIGHUP:
            self._say(Word.RELOAD)
            return
        self._stops += 1
        if self._stops > Word.STOP_NOW:
            os._exit(128 + number)
        self._say(Word(self._stops))

    def _say(self, word: Word) -> None:
        # Full after hundreds of words that nobody took: one more would change nothing.
        with suppress(BlockingIOError):
            self._writing.send(bytes([word]))


@contextmanager
def caught() -> Generator[Signals]:
    """Take SIGINT, SIGTERM and SIGHUP for the length of a block, in the main thread."""
    reading, writing = socket.socketpair()
    with reading, writing:
        reading.setblocking(False)
        writing.setblocking(False)
        signals = Signals(reading, writing)
        before = {number: signal.signal(number, signals.hear) for number in _TAKEN}
        try:
            yield signals
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


_TAKEN = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
