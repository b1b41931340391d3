"""Agents for processes of their own: at the top of a module, where those processes can import them."""

import os
import re
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
from redis.exceptions import ResponseError

from mas import Agent
from mas.redis import Redis, RedisRefused, open_redis


def dawdle(seconds: float) -> None:
    """Hold up the event loop."""
    time.sleep(seconds)


def given() -> dict[str, Any]:
    """Return what this process was given."""
    return {
        "environ": dict(os.environ),
        "argv": Path("/proc/self/cmdline").read_text(),
        "stdin": str(Path("/proc/self/fd/0").readlink()),
        "modules": sorted(name for name in sys.modules if name.startswith("mas")),
        "open": opened(),
    }


def opened() -> list[str]:
    """Return what the descriptors of this process lead to, but for the three that all processes have."""
    found = []
    # Listed first: the descriptor of the listing is closed by the time that we look at it.
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        if int(descriptor.name) > 2:
            with suppress(FileNotFoundError):
                found.append(str(descriptor.readlink()))
    return found


class Worker(Agent[dict[str, Any]]):
    """Does what it is told, by message type."""

    def __init__(self, agent_id: str, *, journal: str = "", **options: Any) -> None:
        super().__init__(agent_id, **options)
        self.journal = Path(journal) if journal else None

    def note(self, what: object) -> None:
        """Write a line that outlives the process."""
        if self.journal is not None:
            with self.journal.open("a") as file:
                file.write(f"{what}\n")

    async def on_stop(self) -> None:
        self.note("stopped")

    @Agent.on("echo")
    async def echo(self, message, payload):
        await message.reply("echoed", {"pid": os.getpid(), "data": message.data})

    @Agent.on("once")
    async def die_at_first(self, message, payload):
        """Die of a signal at the first attempt, and say so at the second."""
        self.note(f"attempt {message.attempt} in {os.getpid()}")
        if message.attempt == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        await message.reply("done", {"attempt": message.attempt, "pid": os.getpid()})

    @Agent.on("doom")
    async def do_what_a_file_says(self, message, payload):
        """Wait for the file; die of a signal, or else reply."""
        self.note(f"doom {message.attempt}")
        assert self.journal is not None
        fate = self.journal.with_suffix(".fate")
        while not fate.exists():
            await anyio.sleep(0.01)
        if fate.read_text() == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        await message.reply("spared")

    @Agent.on("neighbour")
    async def hang_at_first(self, message, payload):
        """Never return from the first attempt."""
        self.note(f"neighbour {message.attempt}")
        if message.attempt == 1:
            await anyio.sleep_forever()

    @Agent.on("leave")
    async def leave(self, message, payload):
        """End the process at the first attempt, as if all were well."""
        if message.attempt == 1:
            os._exit(0)

    @Agent.on("block")
    async def block(self, message, payload):
        self.note("blocking")
        dawdle(message.data["seconds"])
        self.note("blocked")

    @Agent.on("hold")
    async def hold_the_interpreter(self, message, payload):
        """Never return, and let no other thread run."""
        self.note("holding")
        re.match("(a+)+$", "a" * 100 + "b")

    @Agent.on("babble")
    async def babble(self, message, payload):
        """Write to the descriptor of its reports, for which only code that means harm would look."""
        if message.attempt == 1:
            for _ in range(message.data["times"]):
                os.write(int(sys.argv[3]), message.data["text"].encode())

    @Agent.on("look")
    async def look(self, message, payload):
        """Tell what this process was given."""
        await message.reply("seen", given())


class Thief(Worker):
    """Makes of its own way into Redis what it can."""

    @Agent.on("try")
    async def attempt(self, message, payload):
        """Try commands on its own connection; reply with what Redis says to each."""
        redis = self._running._outbox._redis
        await message.reply("tried", [await said(redis, command) for command in message.data])

    @Agent.on("enter")
    async def enter(self, message, payload):
        """Try a connection of nobody in particular to where its own leads."""
        place = replace(self._running._outbox._redis.endpoint, username=None, password=None)
        try:
            async with open_redis(place) as redis:
                await message.reply("entered", await said(redis, ["PING"]))
        except RedisRefused as refused:
            await message.reply("entered", str(refused))

    @Agent.on("way")
    async def way(self, message, payload):
        """Tell what its process was given to open Redis with."""
        place = self._running._outbox._redis.endpoint
        held = {"user": place.username, "password": place.password, "shown": f"{place!r} {self._running!r}"}
        await message.reply("held", held)

    @Agent.on("find")
    async def find(self, message, payload):
        """Tell whom it may message."""
        await message.reply("found", [peer.agent_id for peer in await self.discover(timeout=10)])

    @Agent.on("fail")
    async def fail(self, message, payload):
        self.note(f"fail {message.attempt}")
        raise ValueError


async def said(redis: Redis, command: list[str]) -> str:
    """Return the answer to a command, or the error that was it."""
    try:
        return repr(await redis.call(*command))
    except ResponseError as error:
        return f"error: {error}"


class Fragile(Worker):
    """Crashes from on_start while a file says so."""

    async def on_start(self) -> None:
        if self.journal is not None and self.journal.with_suffix(".crash").exists():
            raise ValueError("on_start said no")


class Broken(Worker):
    """Cannot be made in the process, but in its owner."""

    def __init__(self, agent_id: str, *, owner: int, **options: Any) -> None:
        if os.getpid() != owner:
            raise ValueError("not here")
        super().__init__(agent_id, **options)


class Asking(Agent[dict[str, Any]]):
    """Asks from its own process."""

    @Agent.on("relay")
    async def relay(self, message, payload):
        answer = await self.request("worker", "echo", message.data, timeout=10)
        await self.update_state({"asked": self.state.get("asked", 0) + 1})
        await message.reply("relayed", {"answer": answer.data, "pid": os.getpid(), "state": self.state})
