"""`ops:` in agents.yaml: health, metrics and a dashboard of one process, over HTTP."""

from pathlib import Path
from typing import Annotated

from attrs import frozen

from mas.errors import ConfigurationError
from mas.redis.loopback import is_loopback
from mas.settings.fields import Matching, Unfit, Within, by_type
from mas.settings.search import read_secret
from mas.settings.secret import Secret

LEAST_TOKEN = 16


@frozen
class Bearer:
    """A token that fits into an HTTP header."""

    def check(self, value: Secret) -> None:
        """Refuse one that is short, or holds what a header cannot; never quotes it."""
        if not isinstance(value, Secret):
            raise Unfit("expected a secret")
        text = value.reveal()
        if len(text) < LEAST_TOKEN:
            raise Unfit(
                f"the token is shorter than {LEAST_TOKEN} characters", "openssl rand -hex 32 makes one"
            )
        if not (text.isascii() and text.isprintable()) or " " in text:
            raise Unfit(
                "the token holds more than visible ASCII characters", "openssl rand -hex 32 makes one"
            )


@frozen(kw_only=True, field_transformer=by_type)
class OpsSettings:
    """Where this process shows how it is; nothing listens unless a port is given."""

    port: Annotated[int, Within(0, 65_535, "(TCP)")] | None = None
    """Where it listens. None: nowhere; 0: on a free one, which the log names."""

    host: Annotated[str, Matching(r"[A-Za-z0-9.:_-]{1,255}", "a host name or an address")] = "127.0.0.1"
    """The address it listens at; one that other machines reach needs a token."""

    token: Annotated[Secret, Bearer()] | None = None
    """What whoever asks must show, everywhere but at /healthz."""

    token_file: Path | None = None
    """The file that holds it, readable by its owner alone."""

    tls_certificate: Path | None = None
    """The certificate to show, with those between it and its root; None: no TLS."""

    tls_key: Path | None = None
    """The private key of the certificate."""

    @property
    def guarded(self) -> bool:
        """Whether a token is asked for."""
        return self.token is not None or self.token_file is not None

    @property
    def leads_here(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    def bearer(self, base: Path) -> Secret | None:
        """Return the token that is asked for, from its file if need be; None if none is.

        :param base: where a relative path begins
        :raises ConfigurationError: if the file cannot be read, others may read it, or it holds no token
        """
        if self.token_file is None:
            return self.token
        path = base / self.token_file
        token = read_secret(path, least=1)
        try:
            Bearer().check(token)
        except Unfit as unfit:
            raise ConfigurationError(unfit.problem, where=str(path), hint=unfit.hint) from None
        return token
