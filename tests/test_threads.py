"""Agents may keep every thread that is shared at work for as long as they like."""

import threading
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread

from mas.threads import in_thread


@asynccontextmanager
async def all_shared_threads_at_work():
    """Block as many threads as anyio lends to everyone."""
    limiter, done = anyio.to_thread.current_default_thread_limiter(), threading.Event()

    async def at_work():
        await anyio.to_thread.run_sync(done.wait)

    async with anyio.create_task_group() as tasks:
        for _ in range(int(limiter.total_tokens)):
            tasks.start_soon(at_work)
        with anyio.fail_after(30):
            while limiter.available_tokens:
                await anyio.sleep(0.01)
        try:
            yield
        finally:
            done.set()


async def test_what_the_runtime_itself_does_in_a_thread_waits_for_none_of_them():
    async with all_shared_threads_at_work():
        with anyio.fail_after(30):
            assert await in_thread(sum, (1, 2)) == 3
