"""Where a command's data goes: standard output, or a file for its owner alone, whole or not at all."""

import os
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click


@contextmanager
def written_to(path: Path | None, *, replace: bool) -> Generator[BinaryIO]:
    """Give a file to write to; what it held before stays if the block raises.

    :param path: None or `-` for standard output; a pipe or a device is written as it is
    :param replace: whether a file that is there already may be replaced
    :raises click.UsageError: if it is there already and may not
    :raises OSError: if it cannot be written
    """
    if path is None or str(path) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif path.exists() and not stat.S_ISREG(path.stat().st_mode):
        with path.open("wb") as file:
            yield file
    elif os.path.lexists(path) and not replace:
        raise click.UsageError(f"{path} is there already; --force replaces it")
    else:
        with _private(path, replace=replace) as file:
            yield file


@contextmanager
def _private(path: Path, *, replace: bool) -> Generator[BinaryIO]:
    draft = path.with_name(f"{path.name}.{os.getpid()}") if replace else path
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    whole = False
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        whole = True
    finally:
        if not whole:
            draft.unlink(missing_ok=True)
