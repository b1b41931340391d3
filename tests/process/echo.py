"""A process for tests: says back what it is told; one that is told `stay` first does not end by itself."""

import sys
import time

import anyio

from mas.process import Serving


async def serve(serving: Serving) -> None:
    async for line in serving.lines():
        serving.report(line * 2)


if __name__ == "__main__":
    owner = Serving(*map(int, sys.argv[1:4]))
    word = owner.first()
    owner.report(b"%s, and stdin is %s" % (word or b"nothing", b"open" if sys.stdin.read() else b"empty"))
    if word == b"stay":
        while True:
            time.sleep(60)
    if word is not None:
        anyio.run(serve, owner)
    sys.exit(7)
