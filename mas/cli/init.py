"""`mas init`: two agents that talk, their configuration and a test of them, for whoever begins."""

import os
import shlex
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click
import msgspec

from mas.cli.exits import REFUSED
from mas.cli.printable import printable
from mas.cli.table import columns
from mas.errors import ConfigurationError
from mas.settings.search import writable_by_others

FILES: Final = ("agents.yaml", "gateway.yaml", "my_agents.py", "test_my_agents.py")
_PYTHON: Final = ".txt"
"""What a template of Python ends with besides, so that nobody takes it for a module of ours."""

_HINT: Final = "nothing was written; name another directory, or move what is in the way"


class InTheWay(FileExistsError):
    """A file that would be written is there already."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files
        super().__init__(", ".join(map(str, files)))


class Written(msgspec.Struct, frozen=True):
    """What was written, and what to type next: each command with what it does."""

    directory: str
    files: tuple[str, ...]
    next: tuple[tuple[str, str], ...]


def begin(directory: Path) -> Written:
    """Write the files into a directory, which is made where it is missing; all of them, or none.

    :raises InTheWay: if one of them is there already
    :raises ConfigurationError: if others may write into the directory: what lies there is not believed
    :raises OSError: if they cannot be written
    """
    there = [directory / name for name in FILES if os.path.lexists(directory / name)]
    if there:
        raise InTheWay(there)
    with ExitStack() as undo:
        if not directory.exists():
            directory.mkdir(mode=0o755, parents=True)
            undo.callback(directory.rmdir)
        _refuse_open(directory)
        for name in FILES:
            _write(directory / name, _template(name), undo)
        undo.pop_all()
    return Written(str(directory.absolute()), FILES, tuple(_next(directory)))


def show_beginning(directory: Path, *, as_json: bool) -> None:
    """Write the files, and print which and what to type next on stdout; what `begin` raises comes out.

    Ends the process with exit code 77 if a file is in the way.
    """
    try:
        written = begin(directory)
    except InTheWay as found:
        for path in found.files:
            click.echo(
                f"{click.style('error:', fg='red', bold=True)} {printable(path)} is there already", err=True
            )
        click.echo(f"  {click.style('hint:', bold=True)} {_HINT}", err=True)
        sys.exit(REFUSED)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(written), indent=2))
        return
    click.echo(printable(f"in {written.directory}: {', '.join(written.files)}"))
    for line in columns(written.next):
        click.echo(f"  {line}")


def _template(name: str) -> bytes:
    stored = f"{name}{_PYTHON}" if name.endswith(".py") else name
    return resources.files("mas.cli").joinpath("templates", stored).read_bytes()


def _write(path: Path, content: bytes, undo: ExitStack) -> None:
    """Write a new file that nobody but its owner may change, and say how to undo that."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        # Put there since the look at the start.
        raise InTheWay([path]) from None
    undo.callback(path.unlink)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _refuse_open(directory: Path) -> None:
    """Refuse a directory in which `mas run` would believe no configuration."""
    status = directory.stat()
    if writable_by_others(status) and not status.st_mode & stat.S_ISVTX:
        raise ConfigurationError(
            "others may put files into this directory, so that no configuration in it is believed",
            where=str(directory),
            hint=f"chmod go-w {shlex.quote(str(directory))}",
        )


def _next(directory: Path) -> Iterator[tuple[str, str]]:
    """Yield commands as they are typed where `mas init` was, and what each does."""
    here = directory.absolute() == Path.cwd()
    # It runs commands inside a project's environment, where nothing need be on the shell's own path.
    run = "uv run " if os.environ.get("UV_RUN_RECURSION_DEPTH") else ""
    place = shlex.quote(str(directory))
    where = "" if here else f" -c {place}"
    yield f"{run}mas check{where}", "says what the configuration comes to"
    yield f"{run}mas run{where}", "runs the agents; Ctrl+C stops them"
    first = "" if find_spec("pytest") else " (once pytest is installed)"
    yield f"{run}pytest{'' if here else f' {place}'}", f"tests them{first}"
