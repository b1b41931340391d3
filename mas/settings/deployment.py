"""The deployment's secret: given, read from its file, or made once and kept."""

import logging
import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mas.errors import ConfigurationError
from mas.settings import search
from mas.settings.model import Settings
from mas.settings.secret import Secret

logger = logging.getLogger("mas.settings")

NAME = "secret"
_PRIVATE = (NAME, "audit.key")
"""What must get into no repository, of what is kept in `data_dir`."""


def deployment_secret(settings: Settings, environ: Mapping[str, str] = os.environ) -> Secret:
    """Return `MAS_SECRET`, else what `secret_file` holds, else the one generated in `data_dir`.

    A generated secret is 32 random bytes as hex, in a file for its owner's eyes only. Of processes
    that start at once, one makes it and all return the same.

    :raises ConfigurationError: if it is shorter than 16 bytes, others may read it, or it cannot be kept
    """
    if "MAS_SECRET" in environ:
        secret = Secret(environ["MAS_SECRET"])
        if len(secret.encode()) < search.LEAST_SECRET:
            raise ConfigurationError(
                f"the secret is shorter than {search.LEAST_SECRET} bytes",
                where="MAS_SECRET",
                hint="make one with openssl rand -hex 32",
            )
        return secret
    if settings.secret_file is not None:
        return search.read_secret(settings.secret_file)
    path = settings.data_dir / NAME
    try:
        _make_directory(settings.data_dir)
        if not os.path.lexists(path) and _generate(path):
            note = "; other machines that share this Redis need the same" if settings.redis_url else ""
            logger.info("deployment secret generated in %s%s", path, note)
    except OSError as error:
        reason = error.strerror
    else:
        return search.read_secret(path)
    raise ConfigurationError(
        f"no deployment secret can be kept here: {reason}",
        where=str(path),
        hint="set MAS_SECRET, or secret_file",
    )


def to_be_made(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return where `deployment_secret` will make a new one; None where there is one, good or bad."""
    path = settings.data_dir / NAME
    if "MAS_SECRET" in environ or settings.secret_file is not None or os.path.lexists(path):
        return None
    return path


def kept_secret(settings: Settings, environ: Mapping[str, str] = os.environ) -> Secret:
    """Return what `deployment_secret` does, but make none: whoever comes to a deployment must have its own.

    :raises ConfigurationError: as that does, and if nobody has generated one yet
    """
    if (made := to_be_made(settings, environ)) is not None:
        raise ConfigurationError(
            "the deployment's secret is not here",
            where=str(made),
            hint="set MAS_SECRET or secret_file to the one that the system runs with",
        )
    return deployment_secret(settings, environ)


def _make_directory(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = directory.stat()
    if search.writable_by_others(status) or status.st_uid not in search.own():
        raise ConfigurationError(
            "others may replace what is kept in this directory",
            where=str(directory),
            hint=f"chmod 700 {directory}, or set data_dir",
        )


def _generate(path: Path) -> bool:
    """Put a new secret there in one step; return False if somebody else was first."""
    _keep_out_of_repositories(path.parent)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(
        draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, stat.S_IRUSR | stat.S_IWUSR
    )
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{secrets.token_hex(32)}\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, fails where the name is taken: nobody ever reads half a secret or two.
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _keep_out_of_repositories(directory: Path) -> None:
    """See that git passes over the keys that lie here, unless somebody has decided otherwise.

    Over all that lies here, if nothing does yet: then it is a directory of ours alone.
    """
    passed_over = ["*"] if not any(directory.iterdir()) else [f"/{name}*" for name in _PRIVATE]
    with suppress(FileExistsError), (directory / ".gitignore").open("x", encoding="ascii") as file:
        file.write("".join(f"{each}\n" for each in passed_over))
