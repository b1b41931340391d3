"""A payload as it is typed: JSON, a file of it, or what comes on standard input."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from mas.cli.printable import printable

_SHOWN = 30
"""Characters of a line that are shown on either side of where it ceases to be JSON."""


class Payload(click.ParamType[bytes]):
    """JSON in its shortest spelling, as bytes; `-` is standard input, `@file` a file."""

    name = "payload"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Read and check what was typed."""
        if isinstance(value, bytes):
            return value
        import msgspec

        typed, where = self._typed(value, param, ctx)
        try:
            value = msgspec.json.decode(typed)
            json.loads(typed, object_pairs_hook=_expect_each_once)
            return msgspec.json.encode(value)
        except _TwiceError as twice:
            self.fail(f"{where or 'it'} has the key {printable(twice)} twice in one object", param, ctx)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            self.fail(_told(typed, where, str(error)), param, ctx)

    def _typed(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[bytes, str]:
        """Return what was typed, and what to call it."""
        try:
            if value == "-":
                return sys.stdin.buffer.read(), "standard input"
            if value.startswith("@"):
                return Path(value[1:]).read_bytes(), value[1:]
        except OSError as error:
            self.fail(f"{value[1:] or 'standard input'}: {error.strerror}", param, ctx)
        return value.encode("utf-8", "surrogateescape"), ""


class _TwiceError(Exception):
    """A key that stands twice in one object: one reader takes the first, another one the last."""


def _expect_each_once(pairs: list[tuple[str, Any]]) -> None:
    keys = set[str]()
    for key, _ in pairs:
        if key in keys:
            raise _TwiceError(key)
        keys.add(key)


def _told(typed: bytes, where: str, problem: str) -> str:
    """Say where a text ceases to be JSON, and show it."""
    called = where or "it"
    if not typed.strip():
        return f"{called} is empty"
    try:
        # Without the line's end, so that what is cut short ends where its text does.
        json.loads(typed.rstrip())
    except json.JSONDecodeError as error:
        line = error.doc.split("\n")[error.lineno - 1]
        first = max(0, error.colno - 1 - _SHOWN)
        before, after = (
            printable(part)
            for part in (line[first : error.colno - 1], line[error.colno - 1 : error.colno - 1 + _SHOWN])
        )
        place = f"line {error.lineno}, column {error.colno}"
        return f"{called} is no JSON, {place}: {error.msg}\n  {before}{after}\n  {' ' * len(before)}^"
    except (ValueError, RecursionError):
        pass
    return f"{called} is no JSON: {problem}"
