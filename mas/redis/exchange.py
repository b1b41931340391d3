"""Ask and answer in turn on a connection nobody shares yet: for greetings, Sentinels and probes."""

from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import anyio
import hiredis
from anyio.abc import ByteStream

from mas.redis.refusal import to_exception

Command = Sequence[str | bytes | int | float]

BROKEN: Final = (
    OSError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
    hiredis.ProtocolError,
)
"""What a stream or the parser raises when a connection is of no more use."""

pack: Final[Callable[[tuple[Any, ...]], bytes]] = cast("Any", hiredis.pack_command)
"""Encode a command; raises TypeError for an argument that is not text, bytes or a number."""

_MORE: Final = object()


async def exchange(stream: ByteStream, *commands: Command) -> list[Any]:
    """Send commands in one write and return their answers in order, errors among them as values.

    :raises BROKEN: if the connection breaks first
    """
    if not commands:
        return []
    data, count = b"".join(pack(tuple(command)) for command in commands), len(commands)
    # A password may be among them, and some log every local variable of a traceback.
    del commands
    reader = hiredis.Reader(replyError=to_exception, notEnoughData=_MORE)
    await stream.send(data)
    del data
    answers: list[Any] = []
    while len(answers) < count:
        while (answer := reader.gets()) is _MORE:
            reader.feed(await stream.receive())
        answers.append(answer)
    return answers


def words(error: BaseException) -> str:
    """Say in a few words why a connection broke or never came to be."""
    if isinstance(error, anyio.EndOfStream):
        return "the server closed the connection"
    cause = error.__cause__
    if isinstance(cause, BaseExceptionGroup):  # one for each address of a name
        cause = cause.exceptions[-1]
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    return str(error) or str(cause or "") or type(error).__name__
