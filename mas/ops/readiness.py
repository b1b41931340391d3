"""Is the process fit for work, and if not, what is not well? Pure: of what was seen at one moment."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from mas.ops.vitals import Gate, Stored, Vitals
from mas.supervision import State

_SILENT: Final = 5.0
"""Seconds without a turn of the gateway's loop, which takes half of one when there is nothing to do."""
_WELL: Final = frozenset({State.RUNNING, State.FINISHED})
"""A child that ended by itself without failing was meant to."""
MOST: Final = 50
"""Children that are named."""


class Trouble(NamedTuple):
    """One thing that is not well."""

    what: str
    why: str
    """In words of the runtime's own: no error's text, which could hold anything."""


def troubles(vitals: Vitals) -> list[Trouble]:
    """Return all that keeps the process from being ready."""
    return [
        *_redis(vitals),
        *_gateway(vitals.gate, vitals.stored, trusted=vitals.trusted),
        *_children(vitals),
    ]


def _redis(vitals: Vitals) -> Iterator[Trouble]:
    if vitals.stored is None:
        yield Trouble("redis", "does not answer")


def _gateway(gate: Gate | None, stored: Stored | None, *, trusted: bool | None) -> Iterator[Trouble]:
    if gate is None:
        return
    if gate.silent is None:
        yield Trouble("gateway", "has not begun")
        return
    if gate.silent > _SILENT:
        yield Trouble("gateway", "has stopped committing")
    if trusted is False:
        yield Trouble("policy", "cannot be read or trusted: everything is denied")
    if stored is not None and stored.unsealed["messages"] >= gate.max_unsealed:
        yield Trouble("audit", "too many records wait for their seal: nothing is committed")


def _children(vitals: Vitals) -> Iterator[Trouble]:
    ill = [node for node in vitals.tree.walk() if node.state not in _WELL]
    yield from (Trouble(node.path or node.name, node.state) for node in ill[:MOST])
    if len(ill) > MOST:
        yield Trouble("others", f"{len(ill) - MOST} more children do not run")
