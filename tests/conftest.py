"""Every async test runs on asyncio and on trio, against a real server."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

_LAST_WORDS = 10
"""Seconds before a test's time is over, for it to clean up."""

pytest_plugins = ["mas.testing.fixtures", "tests.turns"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let one backend be chosen."""
    parser.addoption("--backend", choices=["asyncio", "trio"], help="run async tests on this backend only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Bound the async tests from inside, and leave out those of the backend that was not chosen."""
    for item in items:
        # One that brings an event loop of its own may bring a clock of its own, too.
        if not isinstance(item, pytest.Function) or _backend(item) not in ("asyncio", "trio"):
            continue
        if inspect.iscoroutinefunction(item.obj):
            marker = item.get_closest_marker("timeout")
            limit = marker.args[0] if marker else float(config.getini("timeout"))
            item.obj = _bounded(item.obj, limit - _LAST_WORDS)
    chosen = config.getoption("--backend")
    if chosen is None:
        return

    def other(item: pytest.Item) -> bool:
        return _backend(item) not in (None, chosen)

    config.hook.pytest_deselected(items=[item for item in items if other(item)])
    items[:] = [item for item in items if not other(item)]


def _backend(item: pytest.Item) -> object:
    """Return what an async test runs on; None for one that is not async."""
    call = getattr(item, "callspec", None)
    return None if call is None else call.params.get("anyio_backend")


def _bounded(test: Callable[..., Awaitable[None]], limit: float) -> Callable[..., Awaitable[None]]:
    """Have a test cancelled that takes too long; the signal would leave it running, and others waiting."""

    @functools.wraps(test)
    async def bounded(*args: Any, **kwargs: Any) -> None:
        with anyio.fail_after(limit):
            await test(*args, **kwargs)

    return bounded


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each async test once per backend."""
    return str(request.param)
