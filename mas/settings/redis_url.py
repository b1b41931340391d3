"""Which Redis URL may be used: shape, and no password in the clear across a network."""

import re
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from mas.redis.loopback import is_loopback
from mas.settings.fields import Unfit
from mas.settings.secret import Secret

SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
_HARMLESS = frozenset(
    {"db", "protocol", "ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"}
)
_PLACE = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]*))(?::(?P<port>[0-9]{0,5}))?")


class RedisUrl(Secret):
    """Where Redis is, used as given; its password and its query show as stars.

    :raises ConfigurationError: if the text is no Redis URL; the message never quotes it
    """

    __slots__ = ()

    def __init__(self, value: str | Secret) -> None:
        super().__init__(value)
        self._refuse_odd_shapes()

    @property
    def scheme(self) -> str:
        """Return what stands before `://`."""
        return self._split().scheme

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the host names or addresses; none for a unix socket, several for Sentinel."""
        return _hosts(self.reveal()) or ()

    @property
    def crosses_network_in_clear(self) -> bool:
        """Say whether what is sent could be read on the way: no TLS, and not this machine."""
        return not self.scheme.startswith("rediss") and not self.leads_here

    @property
    def leads_here(self) -> bool:
        """Say whether it is of use on this machine only: a unix socket, or a loopback address."""
        return all(map(is_loopback, self.hosts))

    def shown(self) -> str:
        """Return the URL without its password and without query values that could be secret."""
        split = self._split()
        credentials, at, places = split.netloc.rpartition("@")
        user, colon, _ = credentials.partition(":")
        netloc = f"{user}{colon and ':***'}{at}{places}"
        query = "&".join(
            f"{key}={value if key in _HARMLESS else '***'}"
            for key, value in parse_qsl(split.query, keep_blank_values=True)
        )
        return f"{split.scheme}://{netloc}{split.path}{query and '?'}{query}"

    def _split(self) -> SplitResult:
        return urlsplit(self.reveal())

    def _refuse_odd_shapes(self) -> None:
        hint = "write redis://user:password@host:6379/0 and percent-encode special characters"
        text = self.reveal()
        if not text.isprintable() or " " in text or len(text) > 4096:
            raise Unfit("not a Redis URL: it holds spaces or control characters, or is too long", hint)
        hosts = _hosts(text)
        if hosts is None:
            raise Unfit("not a Redis URL: its host or port is malformed", hint)
        split = self._split()
        if split.scheme not in SCHEMES or "://" not in text:
            raise Unfit(f"not a Redis URL: it must begin with one of {', '.join(SCHEMES)}", hint)
        if split.fragment or "#" in text:
            raise Unfit("not a Redis URL: '#' begins a fragment, which it cannot have", hint)
        if split.scheme == "unix":
            if not split.path.startswith("/"):
                raise Unfit("not a Redis URL: a unix URL needs the absolute path of a socket", hint)
            return
        if not all(hosts):
            raise Unfit("not a Redis URL: it names no host", hint)
        database = split.path.strip("/")
        if not split.scheme.endswith("+sentinel") and database and not database.isdecimal():
            raise Unfit("not a Redis URL: after the host comes the number of a database, or nothing", hint)


def _hosts(url: str) -> tuple[str, ...] | None:
    """Return the hosts of a URL, or None if it is malformed; the error that said so quotes passwords."""
    try:
        split = urlsplit(url)
        if split.scheme == "unix":
            return ()
        return tuple(_host(place) for place in split.netloc.rpartition("@")[2].split(","))
    except ValueError:
        return None


def _host(place: str) -> str:
    """Return the host of `host`, `host:port` or `[v6]:port`; raise ValueError for anything else."""
    match = _PLACE.fullmatch(place)
    if match is None or (match["port"] and not 0 < int(match["port"]) < 65536):
        raise ValueError
    if match["v6"]:
        ip_address(match["v6"])
    return match["v6"] or match["name"]


def redis_url(value: Any) -> RedisUrl:
    """Return the value as a Redis URL.

    :raises ConfigurationError: if it is none
    """
    if isinstance(value, RedisUrl):
        return value
    if not isinstance(value, str | Secret):
        raise Unfit(f"a Redis URL is text, not {type(value).__name__}")
    return RedisUrl(value)
