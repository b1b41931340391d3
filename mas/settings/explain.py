"""Say for every setting what it is and where that comes from, without showing any secret."""

from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import attrs

from mas.settings.fields import Path, Within, keys_of, unwrapped
from mas.settings.model import DERIVED, Settings
from mas.settings.origin import Origins, key_path
from mas.settings.secret import Secret


class Explained(NamedTuple):
    """One setting: its path of keys, its value as shown, and its origin."""

    key: str
    value: str
    origin: str


def explain(settings: Settings) -> list[Explained]:
    """Return every setting in the order of the model; the origin is file and line, variable or "default"."""
    return list(_explained(settings, (), settings.origins))


def _explained(instance: Any, path: Path, origins: Origins) -> Iterator[Explained]:
    if kind := getattr(type(instance), "type", None):
        yield Explained(key_path((*path, "type")), str(kind), _origin((*path, "type"), origins))
    for field in attrs.fields(type(instance)):
        if field.name in DERIVED:
            continue
        keys = keys_of(field)
        key = next((key for key in keys if (*path, key) in origins), keys[0])
        _, rules = unwrapped(field.type)
        unit = next((rule.unit for rule in rules if isinstance(rule, Within)), "")
        value = getattr(instance, field.name)
        if field.name == "init_kwargs":
            # The agent's own arguments: only the agent knows which of them are secret.
            value = dict.fromkeys(value, Secret(""))
        yield from _value(value, (*path, key), origins, unit)


def _value(value: Any, path: Path, origins: Origins, unit: str = "") -> Iterator[Explained]:
    if attrs.has(type(value)):
        yield from _explained(value, path, origins)
    elif isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _value(inner, (*path, key), origins)
    elif isinstance(value, tuple) and value and attrs.has(type(value[0])):
        for place, inner in enumerate(value):
            yield from _value(inner, (*path, place), origins)
    else:
        shown = f"{_shown(value)} {unit}" if unit and value is not None else _shown(value)
        yield Explained(key_path(path), shown, _origin(path, origins))


def _origin(path: Path, origins: Origins) -> str:
    return str(origins[path]) if path in origins else "default"


def _shown(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"{value:,.15g}" if isinstance(value, float) else f"{value:,}"
        case Secret() | FilePath():
            return str(value)
        case tuple():
            return f"[{', '.join(map(str, value))}]"
        case _:
            return str(value) or "''"
