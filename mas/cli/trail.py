"""The trail that a configuration names, opened for one command, and what to look for in it."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from mas.audit import AuditTrail, Filter, Places, Trail
    from mas.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])


class _Moment(click.ParamType[float]):
    """A time as people and `mas audit` itself write it, in seconds since the epoch; UTC without a zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from datetime import UTC, datetime

        if isinstance(value, float):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-01-31 or 2026-01-31T12:30:00+01:00", param, ctx)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "trail": ("--trail", {"type": click.Choice(["messages", "security_events"]), "help": "One only."}),
    "sender": ("--sender", {"default": "", "help": "Who sent; of an event: who wrote it."}),
    "target": ("--target", {"default": "", "help": "Who was meant; of an event: what it is about."}),
    "type": ("--type", {"default": "", "help": "A message type, or a pattern such as 'order.*'."}),
    "decision": ("--decision", {"default": "", "help": "For example AUTHZ_DENIED; or a kind of event."}),
    "refused": ("--refused", {"is_flag": True, "help": "What was not let through, or was given up."}),
    "violation": ("--class", {"default": "", "help": "A class that was found in the payload."}),
    "correlation": ("--correlation", {"default": "", "help": "A correlation id, or a message's own id."}),
    "since": ("--since", {"type": _Moment(), "help": "From this time on; ISO 8601, UTC without a zone."}),
    "until": ("--until", {"type": _Moment(), "help": "Before this time."}),
}


def filtered_by(*names: str, events: bool = True) -> Callable[[Command], Command]:
    """Give a command these of the options that `filter_of` understands.

    :param events: whether it looks at events too, of which the help then speaks
    """

    def give(command: Command) -> Command:
        for name in reversed(names):
            option, how = _OPTIONS[name]
            text = how["help"] if events else f"{how['help'].partition(';')[0].rstrip('.')}."
            attributes: dict[str, Any] = {**how, "help": text}
            command = click.option(option, name, **attributes)(command)
        return command

    return give


filtered = filtered_by(*_OPTIONS)
"""Give a command all of them."""


def settings_of(config: Path | None) -> "Settings":
    """Load the settings."""
    from mas.settings import load

    return load(config)


def places_of(settings: "Settings") -> "Places":
    """Return where the audit's files are."""
    from mas.audit.places import Places

    return Places.of(settings.gateway.audit, settings.data_dir, settings.base, settings.namespace)


def look_at(settings: "Settings", look: Callable[["AuditTrail"], Awaitable[Any]]) -> Any:
    """Open the trail, and return what the look at it comes to."""
    import anyio

    from mas.audit import open_trail

    async def main() -> Any:
        async with open_trail(settings) as trail:
            return await look(trail)

    return anyio.run(main, backend="trio")


def filter_of(wanted: dict[str, Any]) -> "Filter":
    """Make a filter of what was typed.

    :raises click.UsageError: if nothing can match, or there is no such decision
    """
    from mas.audit import Filter, Trail
    from mas.decision import Decision

    given = {name: value for name, value in wanted.items() if value not in {None, ""}}
    if "trail" in given:
        given["trail"] = Trail(given["trail"])
    if "decision" in given:
        given["decision"] = _outcome(given["decision"], given.get("trail"))
    chosen = Filter(**given)
    if chosen.refused and chosen.decision in set(Decision) and Decision(chosen.decision).delivers:
        raise click.UsageError(f"{chosen.decision} is no refusal: nothing can match")
    if chosen.since >= chosen.until:
        raise click.UsageError("--since is not before --until: nothing can match")
    return chosen


def _outcome(word: str, trail: "Trail | None") -> str:
    """Return the decision or kind of event that is meant: a misspelt one would find nothing, silently."""
    from difflib import get_close_matches

    from mas.audit import EventKind, Trail
    from mas.decision import Decision

    kinds = {Trail.MESSAGES: ("decision", Decision), Trail.SECURITY: ("kind of event", EventKind)}
    asked = [kinds[trail]] if trail else [*kinds.values()]
    known = [str(each) for _, words in asked for each in words]
    upper = word.upper()
    if upper not in known:
        close = get_close_matches(upper, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        what = f"no {asked[0][0]}" if trail else "neither a decision nor a kind of event"
        raise click.UsageError(f"{word!r} is {what}; {hint}")
    return upper


def archive_of_ours(config: Path | None, path: Path) -> "Settings | None":
    """Return the settings if a file lies in the archive of the deployment that they describe, else None.

    :raises ConfigurationError: if there is one that cannot be used: nobody knows then whose the file is
    """
    from mas.settings.search import NAME

    here = Path.cwd()
    named = config is not None or bool(os.environ.get("MAS_CONFIG"))
    if not named and not any(os.path.lexists(directory / NAME) for directory in (here, *here.parents)):
        return None
    settings = settings_of(config)
    return settings if path.resolve().parent == places_of(settings).archive.resolve() else None
