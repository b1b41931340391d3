"""Open what was wrapped: runs of base64, base32 or hexadecimal that decode to readable text."""

import base64
import binascii
import re
import zlib
from collections.abc import Iterator

from mas.dlp.view import View

_SHORTEST = 12
_LONGEST_INFLATED = 1 << 16
_RUN = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{12,}={0,6}(?![A-Za-z0-9])")
_HEX = re.compile(r"(?:0x)?(?:[0-9A-Fa-f]{2})+")
_BASE32 = re.compile(r"[A-Z2-7]{16,}={0,6}")
_UNREADABLE = re.compile(r"[^\t\n\r\x20-\x7e\u00a0-\U0010ffff]")

WAKES_ON = (
    # Four ASCII characters in a row look like this in base64, whatever they are.
    r"(?:^|[^A-Za-z0-9+_-])(?:[A-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]){3}",
    r"(?:^|[^0-9A-Za-z]|0x)(?:[2-7][0-9A-Fa-f]){9}",
    r"\b[A-Z2-7]{16,}(?:=|\b)",
    r"\bH4sI[A-Za-z0-9+/_-]{16}|\beJ[A-Za-z0-9+/_-]{16}",
)
"""What the first pass looks for on behalf of wrapped text, in raw bytes."""


def unwrapped(view: View) -> Iterator[tuple[int, int, str]]:
    """Yield each wrapped run of a view: its span and the text inside."""
    for match in _RUN.finditer(view.text):
        if match.start() < view.prefix and view.prefix:
            continue
        inner = _opened(match[0])
        if inner is not None:
            yield match.start(), match.end(), inner


def _opened(run: str) -> str | None:
    if _HEX.fullmatch(run):
        return _readable(binascii.unhexlify(run.removeprefix("0x")))
    body = run.rstrip("=")
    try:
        raw = base64.b64decode(
            body.replace("-", "+").replace("_", "/") + "=" * (-len(body) % 4), validate=True
        )
    except ValueError:
        raw = b""
    inner = _readable(_inflated(raw))
    if inner is None and _BASE32.fullmatch(run):
        try:
            inner = _readable(base64.b32decode(body + "=" * (-len(body) % 8)))
        except ValueError:
            inner = None
    return inner


def _inflated(raw: bytes) -> bytes:
    if raw[:2] not in {b"\x1f\x8b", b"x\x9c", b"x\xda", b"x\x01", b"x^"}:
        return raw
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(raw, _LONGEST_INFLATED)
    except zlib.error:
        return raw


def _readable(raw: bytes) -> str | None:
    """Return the text in the bytes, or None where they are not text."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return text if len(text) >= 8 and not _UNREADABLE.search(text) else None
