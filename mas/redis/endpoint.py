"""Say where a Redis is and who asks, without ever showing the password.

    redis://[user:password@]host[:port][/db]
    rediss://...                                     the same over TLS
    unix://[user:password@]/path/to/socket[?db=0]
    redis+sentinel://[user:password@]host[:port],host[:port].../service[/db]
    rediss+sentinel://...                            the same over TLS, Sentinels included

Query parameters, spelled as redis-py does: `db`, `username`, `password`, and for TLS `ssl_ca_certs`,
`ssl_certfile`, `ssl_keyfile`, `ssl_cert_reqs` (none, optional, required), `ssl_check_hostname`. With Sentinel
also `sentinel_username` and `sentinel_password`: the user before the host is the one the master knows.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, cast
from urllib.parse import SplitResult, quote, unquote, urlsplit

from redis.connection import parse_url

from mas.errors import ConfigurationError
from mas.redis.loopback import is_loopback

_parse_url: Final[Callable[[str], Mapping[str, Any]]] = cast("Any", parse_url)

REDIS_PORT: Final = 6379
SENTINEL_PORT: Final = 26379

_SCHEMES: Final = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
_TLS_PARAMETERS: Final = frozenset(
    {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
)
_SENTINEL_PARAMETERS: Final = frozenset({"sentinel_username", "sentinel_password"})
_KNOWN: Final = frozenset({"db", "username", "password"}) | _TLS_PARAMETERS | _SENTINEL_PARAMETERS
_DERIVED: Final = frozenset({"host", "port", "path", "connection_class"})
_CERT_REQS: Final = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


@dataclass(frozen=True, slots=True)
class Tls:
    """How the server is verified, and which certificate we show; paths are PEM files."""

    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    cert_reqs: ssl.VerifyMode = ssl.CERT_REQUIRED
    check_hostname: bool = True

    def context(self) -> ssl.SSLContext:
        """Load the certificates.

        :raises ConfigurationError: if a file is missing or holds no certificate
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_certs)
            if self.certfile is not None:
                context.load_cert_chain(self.certfile, self.keyfile)
        except OSError as error:
            files = ", ".join(filter(None, (self.ca_certs, self.certfile, self.keyfile)))
            raise ConfigurationError(f"the TLS files {files} cannot be used: {error}") from error
        context.check_hostname = self.check_hostname and self.cert_reqs is not ssl.CERT_NONE
        context.verify_mode = self.cert_reqs
        return context


@dataclass(frozen=True, slots=True, repr=False)
class Endpoint:
    """One Redis, or the master that Sentinels name; `str()` of it is safe to log.

    :param path: the unix socket; empty for TCP
    :param sentinels: who is asked for the master of `service`; empty for a fixed server
    :param allow_plaintext: whether Sentinels on this machine may send us to another one without TLS
    """

    host: str = "localhost"
    port: int = REDIS_PORT
    path: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = None
    tls: Tls | None = None
    sentinels: tuple[tuple[str, int], ...] = ()
    service: str = ""
    sentinel_username: str | None = None
    sentinel_password: str | None = None
    allow_plaintext: bool = False

    @classmethod
    def parse(cls, url: "str | Endpoint", *, allow_plaintext: bool = False) -> Self:
        """Read a URL; an endpoint is returned as it is.

        :raises ConfigurationError: if it is none of the forms above. The text never repeats the URL: half of
            a
            password with an unescaped `/`, `#` or `?` looks like a port.
        """
        if isinstance(url, cls):
            return url
        try:
            parts = urlsplit(str(url))
            if parts.scheme not in _SCHEMES:
                raise ConfigurationError(f"a Redis URL begins with {', '.join(s + '://' for s in _SCHEMES)}")
            if parts.scheme.endswith("+sentinel"):
                return cls(**_sentinel_fields(parts), allow_plaintext=allow_plaintext)
            _require_db_path(parts)
            return cls(**_fields(_parse_url(str(url))))
        except ValueError:
            # Not chained: the parser's own message quotes what it could not read.
            raise ConfigurationError(
                "the Redis URL cannot be read",
                hint="percent-encode whatever is not a letter or digit in its password",
            ) from None

    @property
    def address(self) -> str:
        """Where the server is, as errors name it: `host:port`, a socket, or a service and its Sentinels."""
        if self.sentinels:
            return f"{self.service} at {','.join(_host_port(*sentinel) for sentinel in self.sentinels)}"
        return self.path or _host_port(self.host, self.port)

    def master(self, host: str, port: int) -> "Endpoint":
        """Return the master at the address that Sentinels name.

        :raises ConfigurationError: if that would leave this machine without TLS, and nobody said it may
        """
        trusted_so_far = all(is_loopback(name) for name, _ in self.sentinels)
        if not self.tls and not self.allow_plaintext and trusted_so_far and not is_loopback(host):
            raise ConfigurationError(
                f"the Sentinels send us to another machine without TLS: {_host_port(host, port)}",
                hint="use rediss+sentinel://, or set redis.allow_plaintext: true in gateway.yaml",
            )
        return self.at(host, port)

    def at(self, host: str, port: int) -> "Endpoint":
        """Return the fixed server at that address, asked as this one would be."""
        return Endpoint(
            host=host, port=port, db=self.db, username=self.username, password=self.password, tls=self.tls
        )

    def __str__(self) -> str:
        who = f"{self.username or ''}:***@" if self.password else f"{self.username}@" if self.username else ""
        if self.path:
            return f"unix://{who}{self.path}?db={self.db}"
        scheme = "rediss" if self.tls else "redis"
        if self.sentinels:
            hosts = ",".join(_host_port(*sentinel) for sentinel in self.sentinels)
            return f"{scheme}+sentinel://{who}{hosts}/{self.service}/{self.db}"
        return f"{scheme}://{who}{_host_port(self.host, self.port)}/{self.db}"

    def __repr__(self) -> str:
        return f"Endpoint({str(self)!r})"


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _require_db_path(parts: SplitResult) -> None:
    """Refuse a path that is no database number: redis-py would take it for database 0."""
    number = parts.path.strip("/")
    if parts.scheme != "unix" and number and not number.isdecimal():
        raise ValueError


def _fields(parsed: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(parsed) - _KNOWN - _DERIVED)
    if unknown:
        raise ConfigurationError(
            f"the Redis URL has unknown parameters: {', '.join(unknown)}",
            hint=f"known are {', '.join(sorted(_KNOWN))}",
        )
    fields = {name: parsed[name] for name in parsed if name not in _TLS_PARAMETERS | {"connection_class"}}
    encrypted = getattr(parsed.get("connection_class"), "__name__", "") == "SSLConnection"
    if encrypted:
        fields["tls"] = _tls(parsed)
    elif not _TLS_PARAMETERS.isdisjoint(parsed):
        raise ConfigurationError("the Redis URL has ssl_ parameters but its scheme is not rediss://")
    return fields


def _tls(parsed: Mapping[str, Any]) -> Tls:
    required = str(parsed.get("ssl_cert_reqs", "required")).lower()
    if required not in _CERT_REQS:
        raise ConfigurationError(f"ssl_cert_reqs in the Redis URL is one of {', '.join(_CERT_REQS)}")
    return Tls(
        ca_certs=parsed.get("ssl_ca_certs"),
        certfile=parsed.get("ssl_certfile"),
        keyfile=parsed.get("ssl_keyfile"),
        cert_reqs=_CERT_REQS[required],
        check_hostname=parsed.get("ssl_check_hostname") is not False,
    )


def _sentinel_fields(parts: SplitResult) -> dict[str, Any]:
    user, _, hosts = parts.netloc.rpartition("@")
    service, _, db = parts.path.strip("/").partition("/")
    if not hosts or not service:
        raise ConfigurationError(
            "a Sentinel URL names its Sentinels and the service they watch",
            hint="redis+sentinel://host:26379,host:26379/service/0",
        )
    plain = parts._replace(
        scheme=parts.scheme.removesuffix("+sentinel"),
        netloc=f"{user}@sentinel" if user else "sentinel",
        path=f"/{quote(db)}",
    )
    _require_db_path(plain)
    fields = _fields(_parse_url(plain.geturl()))
    return fields | {
        "host": "",
        "sentinels": tuple(_sentinel(each) for each in hosts.split(",")),
        "service": unquote(service),
    }


def _sentinel(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError
    return parts.hostname, parts.port or SENTINEL_PORT
