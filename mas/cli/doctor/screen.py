"""Show what was found: each check on a line of its own, or all as JSON."""

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import anyio
import click
import msgspec

from mas.cli.doctor.finding import Finding, Verdict
from mas.cli.doctor.rounds import examine
from mas.cli.printable import printable

_COLOURS: Final = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red", Verdict.UNKNOWN: "cyan"}
_LEAST: Final = 30  # columns for what is said, however narrow the terminal is


def show_findings(config: Path | None, *, as_json: bool) -> int:
    """Print what was found on stdout; return the exit code: 0, or that of the first check that fails.

    :param config: agents.yaml, or None to search for it
    """
    found: list[Finding] = anyio.run(examine, config, backend="trio")
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in lines(found, width):
            click.echo(line)
    return next((each.exit_code for each in found if each.verdict is Verdict.FAIL), 0)


def lines(found: Sequence[Finding], width: int | None) -> Iterator[str]:
    """Yield the report as people read it.

    :param width: columns that a line may take; None: each finding on one line
    """
    column = max(len(each.check) for each in found)
    made = [each for each in found if each.verdict is not Verdict.UNKNOWN]
    for each in made:
        yield from _finding(each.verdict, each.check, each.said, each.mend, column, width)
    # What stands in the way of many is said once.
    reasons = dict.fromkeys(each.said for each in found if each.verdict is Verdict.UNKNOWN)
    for reason in reasons:
        names = ", ".join(e.check for e in found if e.verdict is Verdict.UNKNOWN and e.said == reason)
        yield from _finding(Verdict.UNKNOWN, "not looked at", f"{reason} ({names})", "", column, width)
    by = {verdict: [each.check for each in found if each.verdict is verdict] for verdict in Verdict}
    said = ", ".join(f"{len(names)} {verdict}" for verdict, names in by.items() if names)
    worst = next(v for v in (Verdict.FAIL, Verdict.WARN, Verdict.OK, Verdict.UNKNOWN) if by[v])
    yield click.style(f"{len(found)} checks: {said}", fg=_COLOURS[worst], bold=True)
    # What scrolled by is named again where people look.
    for verdict in (Verdict.FAIL, Verdict.WARN):
        if by[verdict]:
            yield from _finding(verdict, "", ", ".join(by[verdict]), "", 0, width)


def _finding(
    verdict: Verdict, check: str, said: str, mend: str, column: int, width: int | None
) -> Iterator[str]:
    head = f"{click.style(f'{verdict:<7}', fg=_COLOURS[verdict], bold=True)}  {check:<{column}}  "
    said, mend = printable(said), printable(mend)
    if width is None:
        yield f"{head}{said}{f'; mend: {mend}' if mend else ''}"
        return
    indent = " " * (7 + 2 + column + 2)
    room = max(width - len(indent), _LEAST)
    first, *more = [*textwrap.wrap(said, room, break_on_hyphens=False), *_wrapped(mend, room)]
    yield head + first
    for line in more:
        yield indent + line


def _wrapped(mend: str, room: int) -> list[str]:
    if not mend:
        return []
    return textwrap.wrap(f"-> {mend}", room, subsequent_indent="   ", break_on_hyphens=False)
