"""Which files may be believed: found by walking upward, and not writable by others."""

import grp
import os
import pwd
import stat
from collections.abc import Collection
from pathlib import Path

from mas.errors import ConfigurationError
from mas.settings.document import MAX_BYTES
from mas.settings.secret import Secret

NAME = "agents.yaml"
GATEWAY_NAME = "gateway.yaml"
LEAST_SECRET = 16


def find_config(start: Path | None = None) -> Path:
    """Return the nearest agents.yaml in a directory or above it.

    A file that others may write, or that lies where others may put files, ends the search with an
    error: passing over it would hide that somebody planted it.

    :param start: where to begin; None is the working directory
    :raises ConfigurationError: if there is none, or the nearest cannot be trusted
    """
    start = (start or Path.cwd()).absolute()
    for directory in (start, *start.parents):
        candidate = directory / NAME
        if os.path.lexists(candidate):
            _refuse_open_directory(directory, candidate)
            _refuse_open_directory(Path(os.path.realpath(candidate)).parent, candidate)
            return candidate
    raise ConfigurationError(
        f"no {NAME} in {start} nor in any directory above it",
        hint="mas init writes one; or name it with --config or MAS_CONFIG",
    )


def read_trusted(path: Path, *, owners: Collection[int] | None) -> bytes:
    """Return a configuration file's content, at most one byte more than is allowed.

    :param owners: user ids it may belong to; None for a file the user named, which is trusted to its owner
    :raises ConfigurationError: if it cannot be read, or somebody else may write it
    """
    content, status = _read(path, MAX_BYTES + 1)
    if writable_by_others(status):
        raise ConfigurationError("others may write this file", where=str(path), hint=f"chmod go-w {path}")
    if owners is not None and status.st_uid not in owners:
        raise ConfigurationError(
            f"the file belongs to another user ({_user(status.st_uid)})",
            where=str(path),
            hint="name it with --config or MAS_CONFIG if you trust that user",
        )
    return content


def read_secret(path: Path, *, least: int = LEAST_SECRET) -> Secret:
    """Return the secret in a file, without the line ends after it.

    :param least: its length in bytes, at the least
    :raises ConfigurationError: if it cannot be read, is too short, or anyone but its owner may read it
    """
    content, status = _read(path, 4097)
    if status.st_mode & 0o077:
        raise ConfigurationError(
            "others may read this secret",
            where=str(path),
            hint=f"chmod 600 {path}, and replace what it holds",
        )
    if status.st_uid not in own():
        raise ConfigurationError("the secret belongs to another user", where=str(path), hint="chown it")
    if len(content) > 4096:
        raise ConfigurationError("the secret is longer than 4,096 bytes", where=str(path))
    content = content.rstrip(b"\r\n")
    if len(content) < least:
        raise ConfigurationError(
            f"the secret is shorter than {least} bytes",
            where=str(path),
            hint="make one with openssl rand -hex 32",
        )
    return Secret(content)


def own() -> frozenset[int]:
    """Return the users whose files are one's own: this one, and root."""
    return frozenset({0, os.geteuid()})


def writable_by_others(status: os.stat_result) -> bool:
    """Say whether anyone but the owner may write; a group of the owner's alone does not count."""
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_private_group(status.st_gid, status.st_uid)


def _is_private_group(gid: int, uid: int) -> bool:
    """Say whether a group is the one that many systems make for each user, and nobody was added."""
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(uid)
    except KeyError:
        return False
    return user.pw_gid == gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def at_home(path: Path) -> Path:
    """Return the path with `~` resolved, where there is such a user."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def _refuse_open_directory(directory: Path, candidate: Path) -> None:
    """Refuse a directory where others may put a file of their own in place of the one found."""
    try:
        status = directory.stat()
    except OSError as error:
        reason = error.strerror
    else:
        reason = ""
    if reason:
        raise ConfigurationError(f"cannot be read: {reason}", where=str(candidate))
    if writable_by_others(status) and not status.st_mode & stat.S_ISVTX:
        raise ConfigurationError(
            "others may put files into this directory, so that its configuration is not believed",
            where=str(directory),
            hint=f"chmod go-w {directory}",
        )


def _read(path: Path, most: int) -> tuple[bytes, os.stat_result]:
    """Return the beginning of a regular file, and the status of the very file that was read."""
    try:
        # Without O_NONBLOCK, opening a pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ConfigurationError("this is not a file", where=str(path))
            return file.read(most), status
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path cannot be used"
    raise ConfigurationError(f"cannot be read: {reason}", where=str(path))


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
