"""The right to answer one request, minted by the gateway as it lets the request through.

Permission to ask includes permission to be answered: no reverse grant is needed. A permit names the
asking instance, the request's sequence number and an expiry, and is bound to the request and to who
may answer; it travels as `instance/sequence/expiry/mac` and only a gateway can mint or open it.
"""

import hmac
from typing import NamedTuple

from mas.ids import InstanceId, is_valid
from mas.trust.mac import mac


class Permit(NamedTuple):
    """An opened permit."""

    instance: InstanceId
    """The instance that asked, and that the answer goes to."""
    sequence: int
    """The request's sequence number: the mark that the permit has been used."""
    expires: int
    """Seconds since the epoch."""

    def mint(self, key: bytes, *, requester: str, responder: str, correlation: str) -> str:
        """Return the permit as it travels."""
        head = f"{self.instance}/{self.sequence}/{self.expires}"
        bound = f"{head}\0{requester}\0{responder}\0{correlation}".encode()
        return f"{head}/{mac(key, bound)}"

    @classmethod
    def open(
        cls, key: bytes, text: str, *, requester: str, responder: str, correlation: str
    ) -> "Permit | None":
        """Return the permit if it was minted for just this answer; its expiry is the caller's to judge."""
        try:
            instance, sequence, expires, _ = text.split("/")
            permit = cls(InstanceId(instance), int(sequence), int(expires))
        except ValueError:
            return None
        if not is_valid(instance):
            return None
        again = permit.mint(key, requester=requester, responder=responder, correlation=correlation)
        return permit if hmac.compare_digest(again.encode(), text.encode()) else None
