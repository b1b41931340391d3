"""What of gateway.yaml binds all gateways alike, as text for Redis and back; and what waits for a restart.

A reload puts in force what gateways ask at each decision. What a process builds once, at its start, goes
on as it began, and is named wherever it differs. Places and addresses are each machine's own business.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import attrs
import msgspec

from mas.errors import ConfigurationError
from mas.settings.fields import Path
from mas.settings.gateway import GatewaySettings
from mas.settings.misfit import Misfits
from mas.settings.model import DERIVED, Settings
from mas.settings.origin import key_path
from mas.settings.structure import structure

OWN: tuple[Path, ...] = (
    ("redis",),
    ("audit", "key_file"),
    ("audit", "sink"),
    ("audit", "sink_file"),
    ("audit", "sink_file_size"),
    ("audit", "sink_files"),
    ("audit", "sink_command"),
    ("audit", "archive_dir"),
    ("dead_letters", "archive_dir"),
)
"""Each process's own: addresses, files and programs."""

AT_START: tuple[Path, ...] = (
    ("authentication", "token_lifetime"),
    ("delivery", "lease"),
    ("delivery", "max_attempts"),
    ("delivery", "backoff_first"),
    ("delivery", "backoff_cap"),
    ("audit", "seal_interval"),
    ("audit", "seal_batch"),
    ("audit", "max_records"),
    ("audit", "max_age"),
    ("audit", "archive_max_age"),
    ("audit", "archive_max_bytes"),
)
"""Taken once, by agents, registry and sealer; a running one goes on with what it has."""

_UNTOLD = ("must_match", "must_not_match")
"""Examples of a pattern of one's own: tried at load, and nobody else's business."""
_PERMISSIONS = "permissions"


def share(settings: GatewaySettings) -> bytes:
    """Return the settings that all gateways are to share, as JSON; equal ones read the same."""
    return msgspec.json.encode(_without(_plain(settings), OWN), order="deterministic")


@lru_cache(maxsize=8)
def read_shared(text: bytes) -> GatewaySettings:
    """Return the settings that were shared; what is each process's own has its default.

    :raises ConfigurationError: if they are not settings of this release
    """
    try:
        return structure(msgspec.json.decode(text, type=dict[str, Any]), GatewaySettings)
    except msgspec.DecodeError as error:
        raise ConfigurationError("the shared settings do not decode") from error
    except Misfits as misfits:
        first = misfits.problems[0]
        raise ConfigurationError(first.text, where=key_path(first.path)) from misfits


def changed_keys(before: bytes, after: bytes) -> list[str]:
    """Return the keys by which two shared texts differ, in order."""
    one, other = (_flat(msgspec.json.decode(text or b"{}")) for text in (before, after))
    return sorted(key_path(path) for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def kept_until_restart(keys: Iterable[str]) -> list[str]:
    """Return which of some keys of gateway.yaml a running system takes up only when it starts again."""
    return [key for key in keys if key.startswith(_NAMED)]


def wait_for_restart(running: Settings, newer: Settings) -> list[str]:
    """Return the keys that differ and that a reload leaves as they are, by their paths; never a value."""
    left = [
        field.name
        for field in attrs.fields(Settings)
        if field.name not in (*DERIVED, _PERMISSIONS, "gateway")
        and getattr(running, field.name) != getattr(newer, field.name)
    ]
    one, other = (_flat(_plain(settings.gateway)) for settings in (running, newer))
    gateway = {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}
    return left + sorted(f"gateway.{key_path(p)}" for p in gateway if _below(p, (*OWN, *AT_START)))


def _plain(settings: GatewaySettings) -> dict[str, Any]:
    return attrs.asdict(settings, filter=lambda attribute, _: attribute.name not in _UNTOLD)


def _without(data: dict[str, Any], paths: tuple[Path, ...]) -> dict[str, Any]:
    kept = {}
    for key, value in data.items():
        below = tuple(path[1:] for path in paths if path[0] == key)
        if () not in below:
            kept[key] = _without(value, below) if below and isinstance(value, dict) else value
    return kept


def _flat(data: Any, path: Path = ()) -> dict[Path, Any]:
    return dict(_leaves(data, path))


def _leaves(data: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _leaves(value, (*path, key))
    else:
        yield path, data


def _below(path: Path, roots: tuple[Path, ...]) -> bool:
    return any(path[: len(root)] == root for root in roots)


_NAMED = tuple(key_path(path) for path in AT_START)
