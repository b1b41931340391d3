"""What `mas dlq` does."""

import sys
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click
import msgspec

from mas.audit import EventKind
from mas.audit.moment import moment
from mas.cli.complaint import complaint
from mas.cli.deployment import Deployment, reaching
from mas.cli.exits import FAILED, REFUSED
from mas.cli.printable import printable
from mas.cli.table import cut, table, terminal_width
from mas.cli.traffic import local
from mas.decision import Decision
from mas.errors import ConfigurationError, MasError
from mas.letters import Filed, LetterDesk, Outcome, Selection
from mas.redis import open_subscriber
from mas.settings.fields import nearest


def show_letters(
    config: Path | None, decision: str, age: float | None, *, archived: bool, as_json: bool
) -> None:
    """Print the letters of one decision, or older than so many seconds, or all.

    :param archived: those in the archives on this machine, in place of those in Redis
    """
    selecting = partial(_selected, config, _selection(decision, age), archived=archived)
    found, elsewhere = anyio.run(selecting, backend="trio")
    if elsewhere and not archived:
        click.echo(f"{elsewhere} more are archived on this machine: mas dlq list --archived", err=True)
    if as_json:
        _print([_plain(filed) for filed in found])
        return
    headings, width = ("ID", "AT", "DECISION", "FROM", "TO", "TYPE", "ATTEMPTS", "REASON"), terminal_width()
    for line in table(headings, [_row(filed, short=width is not None) for filed in found]):
        click.echo(cut(line, width))


def show_letter(config: Path | None, letter: str, *, as_json: bool) -> None:
    """Print one letter with its message, from Redis or else from the archives on this machine.

    :raises MasError: if there is none of that id
    :raises IntegrityError: if it is not as a gateway wrote it
    """
    plain = _plain(anyio.run(_show, config, letter, backend="trio"))
    if as_json:
        _print(plain)
        return
    envelope, plain["at"] = plain.pop("envelope", None), moment(plain["at"])
    for name, value in plain.items():
        click.echo(f"{name:<11}{printable(value)}")
    text = msgspec.json.format(msgspec.json.encode(envelope), indent=2).decode()
    for line in text.splitlines():
        click.echo(printable(line))


def redrive_letters(
    config: Path | None,
    letters: tuple[str, ...],
    decision: str,
    age: float | None,
    *,
    within: float,
    as_json: bool,
) -> int:
    """Send letters through the gateway again, print what became of each, and return the exit code."""
    redriving = partial(_redrive, config, letters, _selection(decision, age), within)
    outcomes: list[Outcome | tuple[str, MasError]] = anyio.run(redriving, backend="trio")
    code = 0
    for outcome in outcomes:
        if isinstance(outcome, tuple):
            code = FAILED
            click.echo("\n".join(complaint(outcome[1])), err=True)
        elif not outcome.decision.delivers:
            code = code or REFUSED
    told = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
    if as_json:
        _print(told)
    else:
        for outcome in told:
            click.echo(printable(f"{outcome.letter}: {outcome.decision}: {outcome.reason}"))
    return code


def restore_letters(config: Path | None, letters: tuple[str, ...], *, as_json: bool) -> None:
    """Put archived letters back and print their new ids.

    :raises MasError: if no archive on this machine holds one; those before it are back
    :raises IntegrityError: if one is not as a gateway wrote it; likewise
    """
    restored: dict[str, str] = anyio.run(_restore, config, letters, backend="trio")
    if as_json:
        _print(restored)
        return
    for before, now in restored.items():
        click.echo(f"{before}: restored as {now}")


def purge_letters(
    config: Path | None, letters: tuple[str, ...], decision: str, age: float | None, *, as_json: bool
) -> None:
    """Delete letters and print how many."""
    purged: int = anyio.run(_purge, config, letters, _selection(decision, age), backend="trio")
    if as_json:
        _print({"purged": purged})
    else:
        click.echo(f"{purged} purged")


async def _selected(config: Path | None, selection: Selection, *, archived: bool) -> tuple[list[Filed], int]:
    async with _desk(config) as (_, desk):
        if archived:
            found = list(desk.select_archived(selection))
        else:
            found = [filed async for filed in desk.select(selection)]
        return found, desk.archived


async def _show(config: Path | None, letter: str) -> Filed:
    async with _desk(config) as (_, desk):
        return await desk.show(letter, archived=True)


async def _redrive(
    config: Path | None, letters: Iterable[str], selection: Selection, within: float
) -> list[Outcome | tuple[str, MasError]]:
    outcomes: list[Outcome | tuple[str, MasError]] = []
    async with (
        _desk(config) as (there, desk),
        open_subscriber(there.redis.endpoint, name="mas:operator") as subscriber,
    ):
        for letter in dict.fromkeys(await _chosen(desk, letters, selection)):
            try:
                outcomes.append(await desk.redrive(letter, subscriber, within=within))
            except MasError as error:
                outcomes.append((letter, error))
    return outcomes


async def _restore(config: Path | None, letters: Iterable[str]) -> dict[str, str]:
    async with _desk(config) as (_, desk):
        return {letter: await desk.restore(letter) for letter in dict.fromkeys(letters)}


async def _purge(config: Path | None, letters: Iterable[str], selection: Selection) -> int:
    async with _desk(config) as (_, desk):
        return await desk.purge(await _chosen(desk, letters, selection))


async def _chosen(desk: LetterDesk, letters: Iterable[str], selection: Selection) -> list[str]:
    return list(letters) or [filed.id async for filed in desk.select(selection)]


@asynccontextmanager
async def _desk(config: Path | None) -> AsyncGenerator[tuple[Deployment, LetterDesk]]:
    async with reaching(config) as there:

        async def audit(letter: str, did: str) -> None:
            await there.events.write(EventKind.CONTROL, letter, actor=there.actor, detail=did)

        desk = LetterDesk(
            there.redis,
            there.keys,
            there.keyring,
            actor=there.actor,
            audit=audit,
            alarm=there.events.alarm,
            archive=there.settings.letter_archive,
        )
        try:
            yield there, desk
        finally:
            with anyio.move_on_after(1, shield=True):
                await there.events.flush()


def _selection(decision: str, age: float | None) -> Selection:
    """Return what is meant.

    :raises ConfigurationError: if there is no such decision
    """
    before = None if age is None else time.time() - age
    if decision and decision not in list(Decision):
        raise ConfigurationError(f"there is no decision {decision}", hint=nearest(decision, list(Decision)))
    return Selection(Decision(decision) if decision else None, before)


def _row(filed: Filed, *, short: bool) -> tuple[object, ...]:
    """Return the cells of a letter.

    :param short: without what the others say already, and the time as the clock on the wall shows it
    """
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(filed.at))
    at = local(filed.at, narrow=True) if short else at
    letter = filed.letter
    if letter is None:
        return (filed.id, at, "", "", "", "", "", "not as a gateway wrote it")
    who = (letter.decision, letter.sender, letter.target, letter.type)
    names = f"{letter.sender} -> {letter.target} ({letter.type}): "
    reason = letter.reason.removeprefix(names) if short else letter.reason
    return (filed.id, at, *who, letter.attempts or "", reason)


def _plain(filed: Filed) -> dict[str, Any]:
    if filed.letter is None:
        return {"id": filed.id, "at": filed.at, "genuine": False}
    letter = msgspec.json.decode(msgspec.json.encode(filed.letter))
    return {"id": filed.id, "at": filed.at, "genuine": True, **letter}


def _print(value: object) -> None:
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    sys.stdout.write(f"{text}\n")
