"""The trail that a configuration names, opened for one command, and what to look for in it."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from mas.audit import AuditTrail, Filter, Places
    from mas.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])
_TIMES = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S")


def filtered(command: Command) -> Command:
    """Give a command the options that `filter_of` understands."""
    for option in reversed(
        (
            click.option("--trail", type=click.Choice(["messages", "security_events"]), help="One only."),
            click.option("--sender", default="", help="Who sent; of an event: who wrote it."),
            click.option("--target", default="", help="Who was meant; of an event: what it is about."),
            click.option("--decision", default="", help="For example AUTHZ_DENIED; or a kind of event."),
            click.option("--class", "violation", default="", help="A class that was found in the payload."),
            click.option("--correlation", default="", help="A correlation id, or a message's own id."),
            click.option("--since", type=click.DateTime(_TIMES), help="From this time on; UTC."),
            click.option("--until", type=click.DateTime(_TIMES), help="Before this time; UTC."),
        )
    ):
        command = option(command)
    return command


def settings_of(config: Path | None) -> "Settings":
    """Load the settings."""
    from mas.settings import load

    return load(config)


def places_of(settings: "Settings") -> "Places":
    """Return where the audit's files are."""
    from mas.audit.places import Places

    return Places.of(settings.gateway.audit, settings.data_dir, settings.base)


def look_at(settings: "Settings", look: Callable[["AuditTrail"], Awaitable[Any]]) -> Any:
    """Open the trail, and return what the look at it comes to."""
    import anyio

    from mas.audit import open_trail

    async def main() -> Any:
        async with open_trail(settings) as trail:
            return await look(trail)

    try:
        return anyio.run(main, backend="trio")
    except KeyboardInterrupt:
        sys.exit(130)


def filter_of(wanted: dict[str, Any]) -> "Filter":
    """Make a filter of what was typed; times without a zone are UTC."""
    from datetime import UTC

    from mas.audit import Filter, Trail

    times = {
        name: (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        for name in ("since", "until")
        if (at := wanted.pop(name)) is not None
    }
    trail = wanted.pop("trail")
    return Filter(**wanted, **times, trail=Trail(trail) if trail else None)
