"""What went wrong, told once: what, where, how to mend it."""

import sys
import sysconfig
import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mas.cli.exits import INTERRUPTED, exit_code
from mas.cli.printable import printable
from mas.errors import ConfigurationError, MasError, RedisUnavailable
from mas.supervision.tree import brief

_OURS = str(Path(__file__).parents[1])
_PYTHON = sysconfig.get_path("stdlib")


@contextmanager
def told(*, debug: bool) -> Generator[None]:
    """End the process with one message and its exit code if the block raises what a user can mend.

    An interrupt ends it quietly. What else it raises is a fault of ours, whose traceback belongs into a
    report.

    :param debug: show the traceback of the former too
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BaseExceptionGroup as group:
        # An interrupt hits whichever task runs, and leaves with its task group.
        if group.subgroup(KeyboardInterrupt) is None:
            raise
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has seen enough, which is no error; click ends the process quietly.
        raise
    except (MasError, OSError) as error:
        if debug:
            traceback.print_exception(error)
        for line in complaint(error):
            click.echo(line, err=True)
        sys.exit(exit_code(error))


def complaint(error: BaseException) -> Iterator[str]:
    """Yield the lines that tell of an error."""
    first, *more = _problem(error).splitlines()
    yield f"{click.style('error:', fg='red', bold=True)} {printable(first)}"
    yield from map(printable, more)
    cause = error.__cause__
    if cause is not None and not _says(first, cause):
        yield _detail("because", brief(cause))
    if cause is not None and (place := _place(cause)):
        yield _detail("at", place)
    if isinstance(error, ConfigurationError | RedisUnavailable) and error.hint:
        yield _detail("hint", error.hint)


def _problem(error: BaseException) -> str:
    if isinstance(error, ConfigurationError):
        return f"{error.where}: {error.problem}" if error.where else error.problem
    return (str(error) if isinstance(error, MasError) else brief(error)) or type(error).__name__


def _says(line: str, cause: BaseException) -> bool:
    """Say whether a line tells of the cause already."""
    words = cause.strerror if isinstance(cause, OSError) else None
    return brief(cause) in line or line.endswith(f": {cause}") or bool(words and line.endswith(words))


def _detail(name: str, text: str) -> str:
    return f"  {click.style(f'{name}:', bold=True)} {printable(text)}"


def _place(error: BaseException) -> str:
    """Return the last line of the user's own code that an error came through."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((_OURS, "<")) and not _is_python(frame.filename)
    ]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else ""


def _is_python(filename: str) -> bool:
    """Say whether a file is of Python itself, beneath which what was installed may lie too."""
    return filename.startswith(_PYTHON) and "site-packages" not in filename
