"""Every scalar and every key of a JSON value, with its path and the words that lead to it."""

import json
import math
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import attrs

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD = re.compile(r"[^A-Za-z0-9#]+")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
# Letters alone, and too few of them to be anything but a name: most keys need no look of their own.
_HARMLESS_KEY = re.compile(r"[A-Za-z_]{0,24}")
_SHORTEST = 3
_NAMES_ITS_SIBLING = frozenset(
    {"type", "name", "kind", "label", "field", "key", "title", "description", "question", "category"}
)
_DEEPEST = 100


class Unreadable(ValueError):
    """The payload is not JSON that can be judged; the text says why and quotes nothing."""


@attrs.frozen(slots=True)
class Leaf:
    """A scalar, or a key, and where it stands.

    :param text: what the rules read: a string, or a number as it is written
    :param context: words in front of the text, ending in `:` and a unit separator; empty for a bare text
    :param steps: keys and indices from the root to the value
    :param is_key: whether this is the last key of `steps`, not the value under it
    """

    text: str = attrs.field(repr=False)
    context: str = attrs.field(repr=False)
    steps: tuple[str | int, ...] = attrs.field(repr=False)
    is_key: bool = False


def parse(payload: bytes) -> Any:
    """Decode one JSON value, strictly: a payload that two parsers may read differently is not judged.

    :raises Unreadable: for invalid JSON or UTF-8, duplicate keys, NaN and infinities
    """
    try:
        return json.loads(
            payload.decode(), object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite
        )
    except UnicodeDecodeError:
        problem = "it is not UTF-8"
    except RecursionError:
        problem = "it is nested too deeply"
    except Unreadable:
        raise
    except ValueError:
        problem = "it is not valid JSON"
    raise Unreadable(problem)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise Unreadable("it holds duplicate keys")
    return built


def _finite(written: str) -> float:
    number = float(written)
    return number if math.isfinite(number) else _no_number(written)


def _no_number(_: str) -> float:
    raise Unreadable("it holds a number that JSON does not know")


def leaves(value: Any) -> Iterator[Leaf]:
    """Yield the keys and scalars that could hold anything, an object's keys before its values.

    :raises Unreadable: where it is nested more than 100 levels deep
    """
    stack: list[tuple[Any, tuple[str | int, ...], str]] = [(value, (), "")]
    while stack:
        node, steps, context = stack.pop()
        if isinstance(node, dict):
            if len(steps) >= _DEEPEST:
                raise Unreadable("it is nested too deeply")
            named = _names(node)
            inner: list[tuple[Any, tuple[str | int, ...], str]] = []
            for key, child in node.items():
                here = (*steps, key)
                if not _HARMLESS_KEY.fullmatch(key):
                    yield Leaf(key, "", here, is_key=True)
                words = spoken(key)
                lead = context if named is None or key in _NAMES_ITS_SIBLING else f"{context}{named} "
                inner.append((child, here, f"{lead}{words} "[-120:]))
            stack.extend(reversed(inner))
        elif isinstance(node, list):
            if len(steps) >= _DEEPEST:
                raise Unreadable("it is nested too deeply")
            stack.extend(
                (child, (*steps, at), context)
                for at, child in reversed(list(enumerate(node)))
                if not _is_measure(child)
            )
        elif isinstance(node, str):
            if len(node) >= _SHORTEST:
                yield Leaf(node, f"{context[:-1]}:\x1f" if context else "", steps)
        elif node is not None and not isinstance(node, bool) and not _is_measure(node):
            yield Leaf(written(node), f"{context[:-1]}:\x1f" if context else "", steps)


def _is_measure(node: Any) -> bool:
    """Say whether a value is a number with a fraction: no identifier is one, and a vector holds many."""
    return isinstance(node, float) and not node.is_integer()


def written(number: float) -> str:
    """Return a number as its digits, whole floats without a point or an exponent."""
    whole = isinstance(number, int) or (number.is_integer() and abs(number) < 1e22)
    return str(int(number)) if whole else str(number)


@lru_cache(maxsize=4096)
def spoken(key: str) -> str:
    """Return the words of a key: `homePhone` and `home_phone` are both `home Phone`-like text."""
    return _NO_WORD.sub(" ", _HUMP.sub(" ", key[:64])).strip()


def _names(node: dict[str, Any]) -> str | None:
    """Return the words by which one field names what another holds: {"type": "ssn", "value": ...}."""
    names = [
        spoken(node[key])
        for key in node
        if key in _NAMES_ITS_SIBLING and isinstance(node[key], str) and len(node[key]) <= 40
    ]
    return " ".join(names) or None


def path_of(steps: tuple[str | int, ...], masked: dict[str, str], *, is_key: bool = False) -> str:
    """Return the JSON path of a leaf; `~` after it means the key itself.

    :param masked: keys that were themselves found to be sensitive, and the class to show in their place
    """
    shown = ["$"]
    for step in steps:
        if isinstance(step, int):
            shown.append(f"[{step}]")
        elif step in masked:
            shown.append(f".<{masked[step]}>")
        elif _PLAIN_KEY.fullmatch(step):
            shown.append(f".{step}")
        else:
            shown.append(f"[{step[:64]!a}]")
    return "".join(shown) + ("~" if is_key else "")
