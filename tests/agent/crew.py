"""Agents for processes of their own: at the top of a module, where those processes can import them."""

import os
import re
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio

from mas import Agent


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

    @Agent.on("look")
    async def look(self, message, payload):
        """Tell what this process was given."""
        await message.reply("seen", given())


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
