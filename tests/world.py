"""A deployment for a test, and what was left in Redis by it."""

import atexit
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import anyio
import redis as blocking

from mas import open_system
from mas.keys import Keys
from mas.system import ALL
from mas.trust import Keyring

SECRET = "CANARY-secret-of-the-tests-0123456789"
ENVIRON = {"MAS_SECRET": SECRET}
KEYS = Keys()
KEYRING = Keyring(SECRET.encode())


def deployment(
    redis_url: str,
    *,
    permissions: Iterable[Mapping[str, Any]] | None = None,
    gateway: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    **agents: Any,
) -> dict[str, Any]:
    """Return a configuration: agents by id, each a class or an entry of `agents`; all may talk to all.

    :param options: more of what agents.yaml may hold
    """
    entries = [
        {"agent_id": name, **(spec if isinstance(spec, Mapping) else {"class_path": spec})}
        for name, spec in agents.items()
    ]
    if permissions is None:
        permissions = [{"type": "allow_network", "agents": list(agents)}] if len(agents) > 1 else []
    return {
        "service_redis_url": redis_url,
        "data_dir": str(data_dir(redis_url)),
        "agents": entries,
        "permissions": list(permissions),
        "gateway": dict(gateway or {}),
        **(options or {}),
    }


def data_dir(redis_url: str) -> Path:
    """Return where systems that share this Redis keep their files."""
    where = urlsplit(redis_url)
    if where.scheme == "unix":
        return Path(unquote(where.path)).parent / "data"
    return _files() / str(where.port)


@cache
def _files() -> Path:
    """Make a directory for this run: a later one may be given the same ports."""
    directory = tempfile.mkdtemp(prefix="mas-test-data-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory)


@contextmanager
def own_files(redis_url: str):
    """Keep what earlier systems left, whose Redis had the same port, from this one; leave nothing either."""
    shutil.rmtree(data_dir(redis_url), ignore_errors=True)
    try:
        yield data_dir(redis_url)
    finally:
        shutil.rmtree(data_dir(redis_url), ignore_errors=True)


def running(redis_url: str, *, parts: Any = ALL, on_event: Any = None, **how: Any):
    """Open a system of `deployment(redis_url, **how)`."""
    return open_system(deployment(redis_url, **how), parts=parts, environ=ENVIRON, on_event=on_event)


@contextmanager
def asking(redis_url: str):
    """Give a blocking client, for looking at what is in Redis; answers are text."""
    with blocking.Redis.from_url(redis_url, protocol=2, client_name="mas:testing") as client:
        yield client


def entries(client: Any, stream: str) -> list[dict[str, str]]:
    """Return the fields of a whole stream."""
    return [
        {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()}
        for _, fields in client.xrange(stream)
    ]


def audit(client: Any) -> list[dict[str, Any]]:
    """Return the records of the trail."""
    return [json.loads(entry["record"]) for entry in entries(client, KEYS.audit_messages)]


def letters(client: Any) -> list[dict[str, Any]]:
    """Return the dead letters."""
    return [json.loads(entry["letter"][65:]) for entry in entries(client, KEYS.dead_letters)]


class Tally:
    """Things that happen in handlers, and a way to wait for the n-th."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self._changed = anyio.Event()

    def note(self, what: Any) -> None:
        """Add one."""
        self.seen.append(what)
        self._changed.set()
        self._changed = anyio.Event()

    async def reaches(self, count: int, *, within: float = 30) -> list[Any]:
        """Wait until there are so many, and return them."""
        with anyio.fail_after(within):
            while len(self.seen) < count:
                await self._changed.wait()
        return self.seen
