"""Several tests at a time, but those that measure have the machine to themselves.

The whole suite runs in half as many processes again as there are cores, for most of its time is spent
waiting; a few chosen tests are quicker in one. A test marked `alone` begins when no other runs, and none
begins beside it.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

_ROOM, _DOOR = Path(__file__), Path(__file__).with_name("conftest.py")
"""Any two files that all processes of a run, and two runs in one clone, share: only their locks are used."""


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line("markers", "alone: measures something, and so has the machine to itself")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Say how many processes `-n auto` means: none besides this one unless the whole suite is to run."""
    chosen = config.getoption("keyword") or config.getoption("markexpr") or config.getoption("lf")
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not chosen
    return (os.cpu_count() or 1) * 3 // 2 if whole else 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test begin when it is its turn."""
    if not hasattr(item.config, "workerinput"):
        return (yield)
    with _turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@contextmanager
def _turn(*, alone: bool) -> Generator[None]:
    with _ROOM.open("rb") as room:
        with _DOOR.open("rb") as door:
            # Who waits to be alone stands in the door: whoever comes later does not get past.
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
