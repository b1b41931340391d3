"""The directory of an embedded server: whose it is, and where its socket lies."""

import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio

from mas.errors import ConfigurationError

LONGEST_SOCKET: Final = 100  # bytes; the systems allow 103 (macOS) or 107 (Linux)
_LOOK: Final = 0.05  # seconds: a file lock cannot be waited for without blocking a thread
_OWNER_ALIVE: Final = 1.0  # seconds to wait for a lock whose owner lives: it may be stopping
_OWNER_DEAD: Final = 15.0  # seconds to wait for one whose owner died: its guard is stopping the server


def socket_path(data_dir: Path) -> Path:
    """Return where the server of a data directory listens; the same for every process that asks.

    In the directory itself, or in a short one named after it where the path would be too long for a socket.
    """
    inside = data_dir.absolute() / "redis.sock"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET:
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    short = Path(tempfile.gettempdir(), f"mas-{os.getuid()}-{digest}", "redis.sock")
    if len(os.fsencode(short)) > LONGEST_SOCKET:
        raise ConfigurationError(f"{data_dir} is too deep for a unix socket, and so is {short.parent}")
    return short


def prepare(data_dir: Path, socket: Path) -> None:
    """Create the directories of data and socket for this user alone, or check that existing ones will do.

    :raises ConfigurationError: if one cannot be created, or others could put something into it
    """
    for directory in (data_dir, socket.parent):
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = directory.stat()
        except OSError as error:
            raise ConfigurationError(f"{directory} cannot be used by the embedded server: {error}") from error
        if status.st_mode & stat.S_IWOTH:
            raise ConfigurationError(f"others may write to {directory}", hint=f"chmod o-w {directory}")
    if socket.parent != data_dir:
        # A name in a directory that everybody shares: somebody else may have taken it first.
        status = socket.parent.lstat()
        if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) != 0o700:
            raise ConfigurationError(f"{socket.parent} was not made by this user for this purpose")


@asynccontextmanager
async def locked(data_dir: Path) -> AsyncGenerator[int]:
    """Hold a data directory for the length of a block and yield the descriptor that holds it.

    Whoever inherits the descriptor shares the lock, which falls only when the last of them is gone.

    :raises ConfigurationError: if another process holds it
    """
    descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _take(descriptor, data_dir)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


async def _take(descriptor: int, data_dir: Path) -> None:
    waited = 0.0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                raise
        else:
            return
        owner = os.pread(descriptor, 20, 0).decode(errors="replace")
        if waited >= (_OWNER_ALIVE if _lives(owner) else _OWNER_DEAD):
            raise ConfigurationError(
                f"the data directory {data_dir} is in use by process {owner or 'unknown'}",
                hint="stop that one, give this one another directory, or let both share one Redis by its URL",
            )
        await anyio.sleep(_LOOK)
        waited += _LOOK


def _lives(owner: str) -> bool:
    if not owner.isdecimal():
        return False
    try:
        os.kill(int(owner), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
