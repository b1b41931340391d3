"""What each path answers: all of it read-only, and nothing kept by whoever reads it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import anyio
import msgspec

from mas.log import logger
from mas.ops.board import Board, board_of
from mas.ops.door import Door
from mas.ops.labels import Labels
from mas.ops.metrics import CONTENT_TYPE, Metrics
from mas.ops.page import write_page
from mas.ops.rate import Rate
from mas.ops.readiness import troubles
from mas.ops.sources import Observer
from mas.ops.talk import Answer, Request

log = logger(__name__)

JSON: Final = "application/json"
GUARD: Final = (
    # Nothing from elsewhere, nothing inline, no frame around it, no form, no base.
    (
        "content-security-policy",
        (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cache-control", "no-store"),
)
_STATIC = Path(__file__).with_name("static")


class Pages:
    """Answers requests.

    :param door: who may ask
    """

    def __init__(self, door: Door, observer: Observer, labels: Labels) -> None:
        self._door, self._observer = door, observer
        self._metrics, self._rate = Metrics(labels), Rate()
        self._writing = anyio.CapacityLimiter(1)
        self._paths: dict[str, Callable[[], Awaitable[Answer]]] = {
            "/": self._page,
            "/api/state": self._state,
            "/healthz": self._health,
            "/metrics": self._text,
            "/readyz": self._ready,
        }
        for name, kind in (("dashboard.css", "text/css"), ("dashboard.js", "text/javascript")):
            self._paths[f"/{name}"] = _file(name, kind)

    async def answer(self, request: Request) -> Answer:
        """Return the answer to a request."""
        answer = self._door.turned_away(request) or await self._answer(request)
        return answer._replace(headers=(*GUARD, *answer.headers))

    async def _answer(self, request: Request) -> Answer:
        make = self._paths.get(request.path)
        if make is None:
            return Answer(404, b"there is no such page\n")
        if request.method not in {"GET", "HEAD"}:
            return Answer(405, b"all here is read-only\n", headers=(("allow", "GET, HEAD"),))
        try:
            return await make()
        except Exception:
            # A border: what one page stumbles over must cost neither the others nor the tree.
            log.exception("a page cannot be made", path=request.path)
            return Answer(500, b"this page cannot be made; the log says why\n")

    async def _health(self) -> Answer:
        return Answer(200, b'{"alive":true}\n', JSON)

    async def _ready(self) -> Answer:
        ill = troubles(await self._observer.vitals())
        body = {"ready": not ill, "not_well": [{"what": what, "why": why} for what, why in ill]}
        return Answer(503 if ill else 200, msgspec.json.encode(body) + b"\n", JSON)

    async def _text(self) -> Answer:
        vitals = await self._observer.vitals()
        # In a thread: of thousands of series it takes longer than a message may wait. One of its own: those
        # that everyone shares may all be at work for agents that block.
        body = await anyio.to_thread.run_sync(
            self._metrics.write, vitals, self._door.refused, limiter=self._writing
        )
        return Answer(200, body, CONTENT_TYPE)

    async def _state(self) -> Answer:
        return Answer(200, msgspec.json.encode(await self._board()) + b"\n", JSON)

    async def _page(self) -> Answer:
        return Answer(200, write_page(await self._board()).encode(), "text/html; charset=utf-8")

    async def _board(self) -> Board:
        return board_of(await self._observer.vitals(), self._rate)


def _file(name: str, kind: str) -> Callable[[], Awaitable[Answer]]:
    answer = Answer(200, (_STATIC / name).read_bytes(), f"{kind}; charset=utf-8")

    async def give() -> Answer:
        return answer

    return give
