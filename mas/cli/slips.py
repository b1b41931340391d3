"""Say with a refusal which name was probably misspelt: the refusal itself must tell nobody who is there."""

from collections.abc import Generator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

import click

from mas.cli.printable import printable
from mas.decision import Decision
from mas.errors import MessageRefused
from mas.settings import Settings, load
from mas.settings.fields import nearest
from mas.settings.permissions import agents_named

_ABOUT_NAMES = frozenset({Decision.AUTHZ_DENIED, Decision.TARGET_UNKNOWN})


def tell_slips(settings: Settings, *names: str) -> None:
    """Print on stderr which of some names the configuration does not know, but has one that is like it."""
    known: set[str] = {agent.agent_id for agent in settings.agents}
    known.update(name for permission in settings.permissions for name in agents_named(permission))
    for name in names:
        if any(fnmatchcase(name, each) for each in known):
            continue
        hint = nearest(name, sorted(known))
        if hint.startswith("did"):
            click.echo(printable(f"note: the configuration has no agent {name}; {hint}"), err=True)


@contextmanager
def slips_told(config: Path | None, *names: str) -> Generator[None]:
    """Tell of slips in these names if the block is refused for who is who; the refusal goes on."""
    try:
        yield
    except MessageRefused as refused:
        if refused.decision in _ABOUT_NAMES:
            tell_slips(load(config), *names)
        raise
