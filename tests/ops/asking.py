"""Ask a system's pages as anyone would: over a socket, from another thread."""

import http.client
import json
import re
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio

from mas import open_system
from mas.testing.server import free_port
from tests.world import ENVIRON, deployment

PATHS = ("/", "/api/state", "/dashboard.css", "/dashboard.js", "/healthz", "/metrics", "/readyz")


class Said(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def ask_now(port: int, path: str, method: str = "GET", **headers: str) -> Said:
    """Ask and wait; a word's `_` stands for a header's `-`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return Said(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode())
    finally:
        connection.close()


async def ask(port: int, path: str, method: str = "GET", **headers: str) -> Said:
    return await anyio.to_thread.run_sync(lambda: ask_now(port, path, method, **headers))


def series(text: str) -> dict[str, float]:
    """Return every series of an answer with its value."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def names(text: str) -> set[str]:
    return {re.split(r"[{ ]", name)[0] for name in series(text)}


async def until_said(port: int, path: str, wanted: Any, *, within: float = 20, **headers: str) -> Said:
    """Ask until what is said is wanted, and return it."""
    with anyio.fail_after(within):
        while not wanted(said := await ask(port, path, **headers)):
            await anyio.sleep(0.05)
        return said


@asynccontextmanager
async def shown(redis_url: str, *, ops: Any = None, environ: Any = None, options: Any = None, **how: Any):
    """Run a system with pages, and give it and their port."""
    port = free_port()
    config = deployment(redis_url, options={"ops": {"port": port, **(ops or {})}, **(options or {})}, **how)
    async with open_system(config, environ={**ENVIRON, **(environ or {})}) as system:
        yield system, port
