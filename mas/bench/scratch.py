"""Where measurements put their keys: beside whatever else is in a Redis, and gone afterwards."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Final

import anyio

from mas.redis import open_redis

NAMESPACE: Final = f"mas-bench-{token_hex(4)}"
"""No deployment has it: it is another one in each process."""


@asynccontextmanager
async def swept(url: str) -> AsyncGenerator[None]:
    """Leave nothing in the namespace once the block has ended."""
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            async with open_redis(url) as redis:
                cursor = b"0"
                while True:
                    cursor, keys = await redis.call("SCAN", cursor, "MATCH", f"{NAMESPACE}:*", "COUNT", 1000)
                    if keys:
                        await redis.call("UNLINK", *keys)
                    if cursor == b"0":
                        break
