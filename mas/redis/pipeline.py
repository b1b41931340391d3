"""Pair each command with its answer on a connection that everybody shares."""

from collections import deque
from typing import Any

from anyio.abc import ByteStream

from mas.clock import Clock
from mas.errors import RedisUnavailable
from mas.redis.exchange import pack
from mas.redis.line import MORE, TICKS, Line, LineBroken
from mas.redis.reply import Burst, Reply

_BURST = 64
"""Replies waited for together at most, so that a peer may take long over a long queue."""


class Pipeline(Line):
    """Redis answers in the order it was asked: the oldest reply due belongs to the next answer.

    :param blocking: whether a command may block, so that no other's answer may be waited for with its own
    """

    __slots__ = ("_blocking", "_burst", "_due", "_oldest", "_ticks")

    def __init__(self, stream: ByteStream, *, silence: float, clock: Clock, blocking: bool = False) -> None:
        super().__init__(stream, silence=silence, clock=clock)
        self._blocking, self._burst = blocking, Burst()
        self._due: deque[Reply] = deque()
        self._oldest: Reply | None = None
        self._ticks = 0

    def post(self, command: tuple[Any, ...]) -> Reply:
        """Queue a command; its reply is in line from now on, whatever becomes of the caller.

        :raises TypeError: if an argument is not text, bytes or a number; nothing is queued then
        """
        # What is queued already leaves in the same write, and its answers come in the same piece.
        if self._blocking or not len(self.queued) % _BURST:
            self._burst = Burst()
        self.send(pack(command))
        reply = Reply(self._burst)
        self._due.append(reply)
        return reply

    def drain(self) -> None:
        """Hand each answer to the oldest reply due."""
        take, due = self.reader.gets, self._due
        while (value := take()) is not MORE:
            if not due:
                raise LineBroken("the server answered what nobody had asked")
            due.popleft().settle(value)

    def watch(self) -> None:
        """Notice a server that owes an answer and has given none for too long.

        Looks are counted instead of seconds: a process that was itself suspended wakes up to one look, not to
        a verdict over answers it had no chance to read.
        """
        oldest = self._due[0] if self._due else None
        self._ticks = self._ticks + 1 if oldest is self._oldest and oldest is not None else 0
        self._oldest = oldest
        if self._ticks >= TICKS:
            raise LineBroken(f"no answer within {self._tick * TICKS:g} s")

    def abandon(self, reason: str) -> None:
        """Tell everybody in line that no answer will come."""
        while self._due:
            self._due.popleft().settle(RedisUnavailable(reason))
