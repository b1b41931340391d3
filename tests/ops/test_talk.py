"""Whatever comes in over a connection, the one who serves it lives, and says at most what it may."""

import random

import anyio
import pytest
from anyio.abc import ByteStream
from anyio.lowlevel import checkpoint

from mas.ops.talk import MOST_HEAD, Answer, talk

BODY = b"the body of an answer"
REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: l\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
]
PIECES = [
    b"\r\n",
    b"\n",
    b"\x00",
    b"\xff",
    b":",
    b" ",
    b"HTTP/1.1",
    b"HTTP/0.9",
    b"Content-Length: -1\r\n",
    b"Content-Length: 9\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"HEAD",
    b"\t",
]


class Canned(ByteStream):
    """Hands over what it holds, and keeps what is said to it."""

    def __init__(self, chunks):
        self.chunks: list[bytes] = [chunk for chunk in chunks if chunk]
        self.said = b""

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await checkpoint()
        if not self.chunks:
            raise anyio.EndOfStream
        chunk = self.chunks.pop(0)
        if len(chunk) > max_bytes:
            self.chunks.insert(0, chunk[max_bytes:])
        return chunk[:max_bytes]

    async def send(self, item: bytes) -> None:
        self.said += item

    async def send_eof(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


def mutated(chance):
    """Return requests, spoilt here and there, in pieces."""
    sent = bytearray(b"".join(chance.choice(REQUESTS) for _ in range(chance.randint(1, 3))))
    for _ in range(chance.randint(0, 5)):
        at = chance.randrange(len(sent) + 1)
        match chance.randrange(3):
            case 0:
                sent[at:at] = chance.choice(PIECES)
            case 1:
                sent[at : at + 1] = bytes([chance.randrange(256)])
            case _:
                del sent[at : at + chance.randint(1, 6)]
    cuts = sorted(chance.randrange(len(sent) + 1) for _ in range(chance.randint(0, 3)))
    return [bytes(sent[begin:end]) for begin, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]


async def refuse(request):
    return Answer(405, b"") if request.method not in {"GET", "HEAD"} else Answer(200, BODY)


@pytest.mark.parametrize("seed", range(4))
async def test_no_request_is_the_end_of_more_than_its_connection(seed):
    chance, answered, refused = random.Random(seed), 0, 0
    for _ in range(1500):
        stream = Canned(mutated(chance))
        await talk(stream, refuse)
        answered += b"HTTP/1.1 200" in stream.said
        refused += b"HTTP/1.1 400" in stream.said
    assert answered > 100
    assert refused > 100


async def test_a_head_without_an_end_is_not_read_for_ever():
    stream = Canned([b"GET / HTTP/1.1\r\n", *([b"X: " + b"x" * 1000 + b"\r\n"] * 1000)])
    await talk(stream, refuse)
    assert stream.said.startswith(b"HTTP/1.1 431")
    # What is left unread is more than half: it stopped once it had seen enough, and lingered within bounds.
    assert sum(map(len, stream.chunks)) > 500_000 > MOST_HEAD
