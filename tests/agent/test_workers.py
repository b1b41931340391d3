"""Who took part in a wave rests until the next; who is called no more goes."""

from typing import Any, cast

import anyio
import pytest
from anyio.lowlevel import checkpoint

from mas.agent.attempts import Attempts
from mas.agent.delivery import Delivery
from mas.agent.workers import Waiting, Workers

CONCURRENCY = 8


class Handlers:
    """Keeps each handler waiting until it is told to return."""

    def __init__(self):
        self.begun = 0
        self.release = anyio.Event()

    async def first(self, delivery):
        self.begun += 1
        await self.release.wait()


def wave(count: int) -> list[Waiting]:
    return [(cast("Delivery", object()), False)] * count


async def until_idle():
    for _ in range(20):
        await checkpoint()


def tasks() -> int:
    return len(anyio.get_running_tasks())


@pytest.fixture
def handlers(anyio_backend):
    return Handlers()


async def test_a_wave_wakes_those_who_worked_on_the_one_before(handlers: Any):
    async with anyio.create_task_group() as group:
        workers = Workers(cast("Attempts", handlers), lambda: None, concurrency=CONCURRENCY)
        workers.live_in(group)
        counts = []
        for _ in range(3):
            handlers.begun, handlers.release = 0, anyio.Event()
            workers.add(wave(CONCURRENCY))
            await until_idle()
            assert handlers.begun == CONCURRENCY
            handlers.release.set()
            await until_idle()
            counts.append(tasks())
        assert counts == [counts[0]] * 3
        group.cancel_scope.cancel()


async def test_those_whom_nobody_called_since_the_last_look_go_but_for_two(handlers: Any):
    alone = tasks()
    async with anyio.create_task_group() as group:
        workers = Workers(cast("Attempts", handlers), lambda: None, concurrency=CONCURRENCY)
        workers.live_in(group)
        workers.add(wave(CONCURRENCY))
        await until_idle()
        handlers.release.set()
        await until_idle()
        workers.thin()
        await until_idle()
        assert tasks() == alone + CONCURRENCY, "they have just worked"
        workers.add(wave(3))
        await until_idle()
        workers.thin()
        await until_idle()
        assert tasks() > alone + 2, "some were called"
        workers.thin()
        await until_idle()
        assert tasks() == alone + 2
        handlers.begun, handlers.release = 0, anyio.Event()
        workers.add(wave(CONCURRENCY))
        await until_idle()
        assert handlers.begun == CONCURRENCY
        handlers.release.set()
        group.cancel_scope.cancel()
