"""Agents for scenarios, importable by a process of their own."""

import os
import signal
from typing import Any

import anyio

from mas import Agent, AgentMessage


class Sender(Agent[dict[str, Any]]):
    """Says what the test tells it to."""


class Receiver(Agent[dict[str, Any]]):
    """Notes each handler's start in a journal, then does what the message's type says.

    :param journal: path of a file; a line is number, message id, attempt, process
    """

    def __init__(self, agent_id: str, *, journal: str) -> None:
        super().__init__(agent_id)
        self._journal = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self, message: AgentMessage) -> None:
        line = f"{message.data} {message.message_id} {message.attempt} {os.getpid()}\n"
        os.write(self._journal, line.encode())

    @Agent.on("work")
    async def work(self, message: AgentMessage, _: None) -> None:
        self.note(message)

    @Agent.on("slow")
    async def slow(self, message: AgentMessage, _: None) -> None:
        self.note(message)
        await anyio.sleep(0.02)

    @Agent.on("hang")
    async def hang(self, message: AgentMessage, _: None) -> None:
        self.note(message)
        await anyio.sleep_forever()

    @Agent.on("hang.once")
    async def hang_once(self, message: AgentMessage, _: None) -> None:
        self.note(message)
        if message.attempt == 1:
            await anyio.sleep_forever()

    @Agent.on("die")
    async def die(self, message: AgentMessage, _: None) -> None:
        self.note(message)
        os.kill(os.getpid(), signal.SIGKILL)

    @Agent.on("die.once")
    async def die_once(self, message: AgentMessage, _: None) -> None:
        self.note(message)
        if message.attempt == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    @Agent.on("raise")
    async def fail(self, message: AgentMessage, _: None) -> None:
        self.note(message)
        raise ValueError("of no interest to others")
