"""Run a command until it is done, or told to stop: then it still leaves as it must."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from mas.cli.signals import Signals, Word, caught
from mas.supervision import told_plainly

T = TypeVar("T")


def until_told(main: Callable[[anyio.CancelScope], Awaitable[T]]) -> T | None:
    """Return what a coroutine function comes to, or None if a second signal cut it short.

    The first SIGINT, SIGTERM or SIGHUP cancels the scope that the function is given: it stands around what
    may be cut short, within what has to be given back. The second cancels all, the third ends the process.
    """
    with caught() as signals, told_plainly():
        return anyio.run(_run, main, signals, backend="trio")


async def _run(main: Callable[[anyio.CancelScope], Awaitable[T]], signals: Signals) -> T | None:
    async with anyio.create_task_group() as tasks:
        scope = anyio.CancelScope()
        tasks.start_soon(_listen, signals, scope, tasks.cancel_scope)
        done = await main(scope)
        tasks.cancel_scope.cancel()
        return done
    return None


async def _listen(signals: Signals, scope: anyio.CancelScope, everything: anyio.CancelScope) -> None:
    async for word in signals:
        scope.cancel()
        if word is Word.STOP_NOW:
            everything.cancel()
