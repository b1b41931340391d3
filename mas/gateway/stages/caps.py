"""What JSON text may cost, told from its bytes.

Each question is cheap for the text of nearly every message. What walks the text never looks twice at a
byte, whatever the text. (`find` where `in` would read better: on bytes it takes a fifth of the time.)
"""

import re
from typing import Any

import msgspec

from mas.message import encode
from mas.settings.gateway.limits import LimitSettings

_STRING = rb'"(?:[^"\\]++|\\.)*+"?'
_marks = re.compile(_STRING + rb"|[][{}:]", re.DOTALL)
_numbers = re.compile(_STRING + rb"|[0-9]++", re.DOTALL)
_LEAST_KEY = 5
"""Bytes that a key costs at least: `"":0,`."""
_ALL_DIGITS_ZERO = bytes(ord("0") if chr(byte).isdecimal() and byte < 128 else byte for byte in range(256))


def nests_too_much(text: bytes, limits: LimitSettings) -> bool:
    """Say whether text that nobody has parsed yet is too deep or has too many keys."""
    few = len(text) <= _LEAST_KEY * limits.max_keys or text.count(b":") <= limits.max_keys
    if few and text.count(b"[") + text.count(b"{") <= limits.max_depth:
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
    """Say whether a payload that a parser skipped over would fail the one who reads it, or mislead.

    By half a surrogate, broken UTF-8, a number of too many digits or one too large for a float; by a key
    that stands twice in one object, of which one reader takes the first and another one the last.
    """
    if _may_hold_long_number(payload, limits.max_digits) and any(
        payload[found.start()] != 0x22 and found.end() - found.start() > limits.max_digits
        for found in _numbers.finditer(payload)
    ):
        return True
    try:
        value = _decode(payload)
        # What was spelled by our own encoder reads back as it is: no key was lost.
        return encode(value) != payload and _keys(value) != _keys_spelled(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return True


def _may_hold_long_number(text: bytes, most: int) -> bool:
    """Look at every so-manieth byte: a number too long is a digit at so many of them in a row."""
    step = max(1, most // 8)
    return text[::step].translate(_ALL_DIGITS_ZERO).find(b"0" * ((most + 1) // step)) >= 0


def _keys(value: Any) -> int:
    """Count the keys of all objects in a decoded value."""
    if isinstance(value, dict):
        return len(value) + sum(map(_keys, value.values()))
    return sum(map(_keys, value)) if isinstance(value, list) else 0


def _keys_spelled(text: bytes) -> int:
    return sum(text[found.start()] == 0x3A for found in _marks.finditer(text))


_decode = msgspec.json.Decoder().decode
