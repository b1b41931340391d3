"""Put a mask, or a stable name, in the place of a value, and encode the payload anew."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mas.dlp.resolve import Find

# Numbers whose last four characters are commonly shown to whoever has to recognise them.
_SHOWS_ITS_END = frozenset({"credit_card", "ssn", "iban", "bank_account", "phone"})

Steps = tuple[str | int, ...]
Masker = Callable[[str, Find], str]


def masked(text: str, find: Find) -> str:
    """Return a text of the same length with letters and digits starred.

    Separators stay, and so does the end of a long number.
    """
    value = text[find.start : find.end]
    shown = 0
    if find.kind in _SHOWS_ITS_END and value == find.value and sum(c.isalnum() for c in value) >= 9:
        shown = 4
    elif find.kind == "email" and value == find.value:
        return _masked_address(value)
    starred: list[str] = []
    for character in reversed(value):
        if character.isalnum() and shown:
            shown -= 1
            starred.append(character)
        else:
            starred.append("*" if character.isalnum() or find.kind in _SHAPELESS else character)
    return "".join(reversed(starred))


_SHAPELESS = frozenset(
    {"password", "secret", "api_key", "aws_key", "private_key", "jwt", "bearer_token", "db_url"}
)


def _masked_address(value: str) -> str:
    local, _, domain = value.rpartition("@")
    return f"{'*' * len(local)}@{''.join('*' if c.isalnum() else c for c in domain)}"


def replaced(text: str, finds: Iterable[Find], mask: Masker) -> str:
    """Return the text with each find masked.

    :param finds: in the order of the text, without overlap
    """
    pieces: list[str] = []
    at = 0
    for find in finds:
        pieces += (text[at : find.start], mask(text, find))
        at = find.end
    pieces.append(text[at:])
    return "".join(pieces)


def rebuilt(value: Any, keys: Mapping[Steps, str], values: Mapping[Steps, str], steps: Steps = ()) -> Any:
    """Return a JSON value with some keys and scalars replaced; a masked number becomes text.

    :param keys: new names of keys, by the path that ends in the key
    :param values: new texts of scalars, by their path
    """
    if isinstance(value, dict):
        built: dict[str, Any] = {}
        for key, child in value.items():
            here = (*steps, key)
            name = keys.get(here, key)
            while name in built:
                name += "*"
            built[name] = rebuilt(child, keys, values, here)
        return built
    if isinstance(value, list):
        return [rebuilt(child, keys, values, (*steps, at)) for at, child in enumerate(value)]
    return values.get(steps, value)


def encoded(value: Any) -> bytes:
    """Return a JSON value as compact UTF-8; what UTF-8 cannot hold stays escaped, as the sender wrote it."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
