"""What an agent that runs elsewhere is given: a file for its owner's eyes only, with nothing but its own.

Whoever holds the file is that instance, until it is revoked or its token expires. It opens no other
agent's deliveries and derives no other key.
"""

import os
import secrets
from collections.abc import Collection
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

import msgspec

from mas.errors import ConfigurationError, InvalidId
from mas.ids import AgentId, InstanceId, agent_id, instance_id
from mas.settings import RedisUrl, Secret
from mas.trust import Credential

_MOST = 65_536
"""Bytes in a credentials file, at the most."""
OF_SENTINEL = frozenset({"sentinel_username", "sentinel_password"})
_OTHERS = frozenset({"username", "password"}) | OF_SENTINEL
"""Query parameters of a Redis URL that are somebody else's credentials."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    agent_id: str
    instance_id: str
    token: str
    seal_key: str
    redis_url: str
    namespace: str = ""


class Credentials:
    """One instance's credentials.

    :param redis_url: with the Redis user and password of its own
    :param namespace: the prefix of the deployment's keys
    """

    __slots__ = ("credential", "namespace", "redis_url")

    def __init__(self, credential: Credential, redis_url: RedisUrl, namespace: str = "") -> None:
        self.credential, self.redis_url, self.namespace = credential, redis_url, namespace

    def __repr__(self) -> str:
        return f"<Credentials of {self.credential.agent_id}:{self.credential.instance_id}>"

    def write(self, path: Path) -> None:
        """Write the file, readable by its owner only, in one step; one that is there is replaced.

        :raises OSError: if it cannot be written
        """
        write_private(path, self.encode())

    def encode(self) -> bytes:
        """Return the file's content."""
        held = self.credential
        file = _File(
            held.agent_id,
            held.instance_id,
            held.token.hex(),
            held.seal_key.hex(),
            self.redis_url.reveal(),
            self.namespace,
        )
        return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"

    @classmethod
    def read(cls, path: Path) -> "Credentials":
        """Read a file that `write` wrote.

        :raises ConfigurationError: if it cannot be read, others may read it, or it holds something else
        """
        return cls.decode(read_private(path), str(path))

    @classmethod
    def decode(cls, content: bytes, where: str) -> "Credentials":
        """Read a file's content.

        :param where: what to call it in an error
        :raises ConfigurationError: if it is something else
        """
        try:
            held = msgspec.json.decode(content, type=_File)
            credential = Credential(
                agent_id(held.agent_id),
                instance_id(held.instance_id),
                bytes.fromhex(held.token),
                bytes.fromhex(held.seal_key),
            )
            return cls(credential, RedisUrl(Secret(held.redis_url)), held.namespace)
        except (msgspec.DecodeError, ValueError, InvalidId):
            # Not chained: the reason may quote what it could not read.
            raise ConfigurationError(
                "this is not a credentials file", where=where, hint="mas agents enroll writes one"
            ) from None


def refuse_unwritable(path: Path) -> None:
    """See whether a file could be written: what it is to hold is made once, and must not be lost.

    :raises ConfigurationError: if it cannot
    """
    try:
        draft, descriptor = _draft(path)
    except OSError as error:
        raise ConfigurationError(f"cannot be written: {error.strerror}", where=str(path)) from None
    os.close(descriptor)
    draft.unlink()


def write_private(path: Path, content: bytes) -> None:
    """Write a file for its owner's eyes only, in one step; one that is there is replaced.

    :raises OSError: if it cannot be written
    """
    draft, descriptor = _draft(path)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _draft(path: Path) -> tuple[Path, int]:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    return draft, os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def read_private(path: Path) -> bytes:
    """Return what such a file holds.

    :raises ConfigurationError: if it cannot be read, or others may read it
    """
    try:
        with path.open("rb") as file:
            status, content = os.fstat(file.fileno()), file.read(_MOST)
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(path)) from None
    if status.st_mode & 0o077:
        raise ConfigurationError(
            "others may read these credentials",
            where=str(path),
            hint=f"chmod 600 {path}, and have what it holds replaced",
        )
    return content


def url_of(url: RedisUrl, user: str, password: str, *, keep: Collection[str] = ()) -> RedisUrl:
    """Return the URL as that Redis user opens it; nobody else's user, password or query secret is left.

    :param keep: query parameters that stay all the same
    """
    parts = urlsplit(without_user(url, keep=keep).reveal())
    netloc = f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}"
    return _url(parts._replace(netloc=netloc))


def without_user(url: RedisUrl, *, keep: Collection[str] = ()) -> RedisUrl:
    """Return the URL with no user, password or query secret in it.

    :param keep: query parameters that stay all the same
    """
    parts = urlsplit(url.reveal())
    others = _OTHERS.difference(keep)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name not in others]
    place = parts.netloc.rpartition("@")[2]
    return _url(parts._replace(netloc=place, query=urlencode(query)))


def _url(parts: SplitResult) -> RedisUrl:
    # Not urlunsplit: where there is no host, it leaves the slashes out.
    return RedisUrl(f"{parts.scheme}://{parts.netloc}{parts.path}{parts.query and '?'}{parts.query}")


def default_file(agent: AgentId, instance: InstanceId) -> Path:
    """Return what a credentials file is called when nobody says."""
    return Path(f"{agent}.{instance}.credentials.json")
