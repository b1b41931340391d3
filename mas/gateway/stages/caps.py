"""What JSON text may cost, told from its bytes.

Each question is cheap for the text of nearly every message. What walks the text never looks twice at a
byte, whatever the text.
"""

import re

import msgspec

from mas.settings.gateway.limits import LimitSettings

_STRING = rb'"(?:[^"\\]++|\\.)*+"?'
_marks = re.compile(_STRING + rb"|[][{}:]", re.DOTALL)
_numbers = re.compile(_STRING + rb"|[0-9]++", re.DOTALL)
_FLAT = bytes(ord("0") if chr(b) in "123456789" else b for b in range(256)).replace(b"E", b"e")
"""Every digit reads 0, and every E is small."""


def nests_too_much(text: bytes, limits: LimitSettings) -> bool:
    """Say whether text that nobody has parsed yet is too deep or has too many keys."""
    if text.count(b"[") + text.count(b"{") <= limits.max_depth and text.count(b":") <= limits.max_keys:
        return False
    depth = keys = 0
    for found in _marks.finditer(text):
        match text[found.start()]:
            case 0x5B | 0x7B:
                depth += 1
            case 0x5D | 0x7D:
                depth -= 1
            case 0x3A:
                keys += 1
        if depth > limits.max_depth or keys > limits.max_keys:
            return True
    return False


def unreadable(payload: bytes, limits: LimitSettings) -> bool:
    """Say whether a payload that a parser skipped over would fail the one who reads it.

    By half a surrogate, broken UTF-8, a number of too many digits or one too large for a float.
    """
    flat = payload.translate(_FLAT, b"+")
    long = b"0" * (limits.max_digits + 1) in flat
    if not long and b"\\u" not in payload and b"e000" not in flat and payload.isascii():
        return False
    if long and any(
        payload[found.start()] != 0x22 and found.end() - found.start() > limits.max_digits
        for found in _numbers.finditer(payload)
    ):
        return True
    try:
        msgspec.json.decode(payload.decode())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    return False
