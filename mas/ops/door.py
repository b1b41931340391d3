"""Who may ask: whoever shows the token; without one, only this machine, and no page of another site."""

import hashlib
import hmac
from base64 import b64decode
from typing import Final
from urllib.parse import urlsplit

from mas.ops.talk import Answer, Request
from mas.redis.loopback import is_loopback
from mas.settings import Secret

OPEN: Final = "/healthz"
"""Answered to everyone: it says nothing but that the process lives."""
_UNKNOWN = Answer(
    401,
    b"show the token\n",
    # A browser asks its user for Basic credentials; the password is the token, the name does not matter.
    headers=(("www-authenticate", 'Bearer realm="mas"'), ("www-authenticate", 'Basic realm="mas"')),
)
_ELSEWHERE = Answer(421, b"this is not the host that was asked for\n")


class Door:
    """Lets in or turns away.

    :param token: what must be shown; None: nothing, and then only names of this machine are answered to
    :ivar refused: how many were turned away: somebody may be guessing
    """

    def __init__(self, token: Secret | None) -> None:
        self._digest = None if token is None else _digest(token.encode())
        self.refused = 0

    def turned_away(self, request: Request) -> Answer | None:
        """Return what is said to one who may not ask; None to one who may."""
        answer = None if request.path == OPEN else self._judged(request)
        self.refused += answer is not None
        return answer

    def _judged(self, request: Request) -> Answer | None:
        if self._digest is None:
            # Any site can give its name our address, and then have a browser here read what it gets.
            return None if _is_here(request.headers.get("host", "")) else _ELSEWHERE
        shown = _shown(request.headers.get("authorization", ""))
        return None if hmac.compare_digest(_digest(shown), self._digest) else _UNKNOWN


def _digest(token: bytes) -> bytes:
    """Return a digest: of equal length whatever was shown, so that comparing takes equally long."""
    return hashlib.blake2b(token, digest_size=32).digest()


def _shown(authorization: str) -> bytes:
    kind, _, value = authorization.partition(" ")
    value = value.strip()
    match kind.lower():
        case "bearer":
            return value.encode("latin-1")
        case "basic":
            try:
                return b64decode(value, validate=True).partition(b":")[2]
            except ValueError:
                return b""
        case _:
            return b""


def _is_here(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
