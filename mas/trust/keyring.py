"""Every key of a deployment, derived from its one secret.

HKDF-SHA256 (RFC 5869) with a purpose as its info, so that no key serves two purposes and none tells
anything of another. A keyring and what it hands out never show a key in a repr.
"""

import hashlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mas.ids import AgentId, InstanceId

MIN_SECRET = 16
"""Bytes that a deployment secret must have at least."""


class Credential:
    """What one instance of an agent proves itself with, and checks its deliveries by.

    :param token: 256 bits, never sent and never stored
    :param seal_key: opens the seals on this agent's deliveries, and no other's
    """

    __slots__ = ("_holders", "agent_id", "instance_id", "seal_key", "token")

    def __init__(self, agent_id: AgentId, instance_id: InstanceId, token: bytes, seal_key: bytes) -> None:
        self.agent_id, self.instance_id = agent_id, instance_id
        self.token, self.seal_key = token, seal_key
        self._holders: dict[Callable[[], None], None] = {}

    def replace(self, new: "Credential") -> None:
        """Become the credential of a later enrolment of the same instance, for all who hold this one."""
        self.token = new.token
        for tell in list(self._holders):
            tell()

    @contextmanager
    def watched(self, tell: Callable[[], None]) -> Generator[None]:
        """Have it told when the credential is replaced, for the length of a block."""
        self._holders[tell] = None
        try:
            yield
        finally:
            self._holders.pop(tell, None)

    def __repr__(self) -> str:
        return f"<Credential of {self.agent_id}:{self.instance_id}>"

    def __reduce__(self) -> str:
        raise TypeError("a credential is not pickled: it would leave the process")


class Keyring:
    """The keys that whoever holds the deployment's secret may derive.

    :param secret: at least 16 bytes
    :raises ValueError: if it is shorter
    """

    __slots__ = ("__secret", "audit", "digest", "payload", "permit", "record", "seal")

    def __init__(self, secret: bytes) -> None:
        if len(secret) < MIN_SECRET:
            raise ValueError(f"a deployment secret needs at least {MIN_SECRET} bytes")
        self.__secret = secret
        self.permit = self._derive("permit")
        self.record = self._derive("record")
        self.audit = self._derive("audit")
        self.digest = self._derive("digest")
        self.payload = self._derive("payload")
        self.seal = lru_cache(maxsize=65_536)(self._seal)

    def __repr__(self) -> str:
        return "<Keyring>"

    def __reduce__(self) -> str:
        raise TypeError("a keyring is not pickled: it would leave the process")

    def token(self, agent: AgentId, instance: InstanceId, epoch: str) -> bytes:
        """Derive the bearer token of one instance in one epoch of its enrolment."""
        return self._derive("token", agent, instance, epoch)

    def server_password(self) -> str:
        """Derive what the deployment's own embedded server asks everybody for."""
        return self._derive("server").hex()

    def redis_password(self, agent: AgentId, instance: InstanceId, epoch: str) -> str:
        """Derive what an instance with a Redis user of its own opens its connection with."""
        return self._derive("redis", agent, instance, epoch).hex()

    def grant(self, agent: AgentId, grant: str, expires: int) -> bytes:
        """Derive the key of a grant: who holds it was given it for this agent, until then.

        :param expires: seconds since the epoch
        """
        return self._derive("grant", agent, grant, str(expires))

    def credential(self, agent: AgentId, instance: InstanceId, epoch: str) -> Credential:
        """Derive all that an instance needs to run."""
        return Credential(agent, instance, self.token(agent, instance, epoch), self.seal(agent))

    def _seal(self, agent: AgentId) -> bytes:
        return self._derive("seal", agent)

    def _derive(self, purpose: str, *of: str) -> bytes:
        info = "/".join(("mas", "1", purpose, *of)).encode()
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self.__secret)


def token_hash(token: bytes) -> str:
    """Return what Redis keeps of a token: its SHA-256 as hex."""
    return hashlib.sha256(token).hexdigest()
