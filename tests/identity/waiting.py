"""Wait for what other tasks, or Redis, come to by themselves."""

import inspect

import anyio


async def until(condition, *, within=20.0):
    """Return once the condition, plain or async, holds."""
    with anyio.fail_after(within):
        while True:
            held = condition()
            if inspect.isawaitable(held):
                held = await held
            if held:
                return
            await anyio.sleep(0.01)
