"""One entry of a delivery stream, opened: nothing is handed to a handler that the gateway did not seal."""

import hmac
from typing import NamedTuple

import msgspec

from mas.bus import value_of
from mas.errors import IntegrityError
from mas.message import Message, decode
from mas.trust import Credential, seal


class Delivery(NamedTuple):
    """An opened entry."""

    entry: bytes
    message: Message
    seal: bytes
    """The same on every copy of one submission: what tells a copy from a new message."""
    expires: int
    """Seconds since the epoch after which it must not be handled."""
    permit: str
    probe: bool
    """Whether the receiver's circuit is half open, and waits to hear how this one fares."""


def open_delivery(entry: bytes, fields: list[bytes], credential: Credential, instance: str) -> Delivery:
    """Check the seal and decode.

    :param instance: whose stream it lay in; empty for the stream that all instances share
    :raises IntegrityError: if no gateway put it there
    """
    probe = False
    if fields[::2] == _NAMES:
        _, envelope, _, route, _, sealed = fields
    else:
        # Not sealed: who sets it by hand only makes the receiver tell how it fares.
        probe = value_of(fields, b"probe") is not None
        envelope, route, sealed = (value_of(fields, name) or b"" for name in _NAMES)
    told = route.decode("utf-8", "replace")
    expected = seal(credential.seal_key, credential.agent_id, instance, told, envelope)
    if not hmac.compare_digest(expected.encode(), sealed):
        raise IntegrityError(f"delivery {entry.decode()}", "it does not carry the gateway's seal")
    _, expires, permit = told.split(" ")
    try:
        return Delivery(entry, decode(envelope), sealed, int(expires), permit, probe)
    except msgspec.DecodeError as error:
        raise IntegrityError(f"delivery {entry.decode()}", "its envelope does not decode") from error


_NAMES = [b"envelope", b"route", b"seal"]
