"""One connection's requests and answers: HTTP/1.1 read by h11, bounded in size and time."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

import anyio
import h11
from anyio.abc import ByteStream

MOST_HEAD: Final = 16 * 1024
"""Bytes of a request's line and headers."""
IDLE: Final = 15.0
"""Seconds in which the next request must have come in full."""
STALLED: Final = 10.0
"""Seconds in which an answer must have been taken."""
_LINGER: Final = 1.0
"""Seconds that a connection may stay open after its last answer."""
_LEFT: Final = 256 * 1024
"""Bytes that are read on then, at most."""
_CHUNK: Final = 16 * 1024


class Request(NamedTuple):
    """What is asked."""

    method: str
    path: str
    """Without the query."""
    headers: Mapping[str, str]
    """By name in lower case; of several of one name, the last."""


class Answer(NamedTuple):
    """What is said to it."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


Respond = Callable[[Request], Awaitable[Answer]]


async def talk(stream: ByteStream, respond: Respond) -> None:
    """Answer requests until the other side has enough, or says what cannot be read.

    :raises TimeoutError: if it takes too long
    :raises anyio.BrokenResourceError: if it broke the connection
    :raises h11.LocalProtocolError: if what was asked cannot be answered as it was
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEAD)
    try:
        while True:
            with anyio.fail_after(IDLE):
                request = await _read(stream, connection)
            if request is None:
                return
            answer = await respond(request)
            with anyio.fail_after(STALLED):
                await _write(stream, connection, request, answer)
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                # It announced a body, or the end: nothing that follows would be a request.
                break
            connection.start_next_cycle()
    except h11.RemoteProtocolError as error:
        if connection.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        with anyio.fail_after(STALLED):
            # Without a body: it may have been a HEAD as far as it could be read.
            await _write(stream, connection, Request("GET", "", {}), Answer(error.error_status_hint, b""))
    await _linger(stream)


async def _linger(stream: ByteStream) -> None:
    """Read on for a moment: closed over unread input, a connection takes with it what was just said."""
    with anyio.move_on_after(_LINGER), suppress(NotImplementedError, anyio.EndOfStream):
        await stream.send_eof()
        for _ in range(_LEFT // _CHUNK):
            await stream.receive(_CHUNK)


async def _read(stream: ByteStream, connection: h11.Connection) -> Request | None:
    """Return the next request; None if the other side hung up."""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            try:
                connection.receive_data(await stream.receive(_CHUNK))
            except anyio.EndOfStream:
                connection.receive_data(b"")
        elif isinstance(event, h11.Request):
            # Its end is there too, unless it has a body.
            connection.next_event()
            return Request(
                event.method.decode("ascii"),
                event.target.decode("ascii", "replace").partition("?")[0],
                {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers},
            )
        else:
            return None


async def _write(stream: ByteStream, connection: h11.Connection, request: Request, answer: Answer) -> None:
    headers = [
        ("content-type", answer.content_type),
        ("content-length", str(len(answer.body))),
        *answer.headers,
    ]
    if connection.their_state is not h11.DONE:
        headers.append(("connection", "close"))
    sent = connection.send(h11.Response(status_code=answer.status, headers=headers)) or b""
    if request.method != "HEAD" and answer.body:
        sent += connection.send(h11.Data(data=answer.body)) or b""
    sent += connection.send(h11.EndOfMessage()) or b""
    await stream.send(sent)
