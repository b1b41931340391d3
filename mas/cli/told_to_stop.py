"""Run a command until it is done, or told to stop: then it still leaves as it must."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import anyio

from mas.cli.signals import Signals, Word, caught
from mas.errors import MasError
from mas.supervision import told_plainly

T = TypeVar("T")


class ToldToStop(MasError):
    """Leave: somebody said so while there was nothing to show yet."""


class Stop:
    """Whether somebody said so."""

    def __init__(self) -> None:
        self._said = False
        self._scopes: set[anyio.CancelScope] = set()

    @contextmanager
    def cuts_short(self) -> Generator[None]:
        """Cancel the block when somebody says so, or has.

        It stands within what has to be given back, since that needs its connections.

        :raises ToldToStop: if it was cut short
        """
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            if self._said:
                scope.cancel()
            try:
                yield
            finally:
                self._scopes.discard(scope)
        if scope.cancelled_caught:
            raise ToldToStop("told to stop")

    def say(self) -> None:
        """Say so."""
        self._said = True
        for scope in self._scopes:
            scope.cancel()


def until_told(main: Callable[[Stop], Awaitable[T]]) -> T | None:
    """Return what a coroutine function comes to, or None if it was told to stop.

    The first SIGINT, SIGTERM or SIGHUP cuts short what may be, the second all, the third ends the process.
    """
    with caught() as signals:
        try:
            with told_plainly():
                return anyio.run(_run, main, signals, backend="trio")
        except ToldToStop:
            return None


async def _run(main: Callable[[Stop], Awaitable[T]], signals: Signals) -> T:
    async with anyio.create_task_group() as tasks:
        stop = Stop()
        tasks.start_soon(_listen, signals, stop, tasks.cancel_scope)
        done = await main(stop)
        tasks.cancel_scope.cancel()
        return done
    raise ToldToStop("told to stop at once")


async def _listen(signals: Signals, stop: Stop, everything: anyio.CancelScope) -> None:
    async for word in signals:
        stop.say()
        if word is Word.STOP_NOW:
            everything.cancel()
