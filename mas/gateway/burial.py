"""What becomes of a delivery that will not be handled: taken off its stream, and its letter written."""

import hmac
from typing import NamedTuple

import msgspec

from mas.bus import value_of
from mas.decision import Decision
from mas.gateway.change import NO_REMOVAL, Removal
from mas.gateway.snapshot import Snapshot
from mas.ids import AgentId, InstanceId
from mas.letters import DeadLetter
from mas.message import Message, decode
from mas.trust import seal


class Lost(NamedTuple):
    """A delivery that a gateway had sealed, and its dead letter."""

    message: Message
    envelope: bytes
    letter: DeadLetter


class Burial(NamedTuple):
    """What an order to bury comes to; without a delivery nobody is told, without a removal it is nothing."""

    removal: Removal = NO_REMOVAL
    lost: Lost | None = None
    failures: int = 0
    """Failures of the receiver that it does not report itself."""


def lose(
    fields: list[bytes],
    receiver: AgentId,
    instance: InstanceId,
    snapshot: Snapshot,
    *,
    attempts: int,
    reason: str,
) -> Lost | str:
    """Return what is lost with a delivery, or what is wrong with its entry.

    :param fields: of the entry; empty if there is none
    :param instance: the receiver's, which held it last
    """
    envelope, route, sealed = (value_of(fields, name) for name in (b"envelope", b"route", b"seal"))
    if envelope is None or route is None or sealed is None:
        return "there is no such delivery"
    expected = seal(snapshot.keyring.seal(receiver), receiver, "", route.decode("utf-8", "replace"), envelope)
    if not hmac.compare_digest(expected.encode(), sealed):
        return "the delivery does not carry the gateway's seal"
    try:
        message = decode(envelope)
    except msgspec.DecodeError:
        return "the delivery does not decode"
    letter = DeadLetter(
        Decision.DEAD_LETTERED,
        reason,
        message.sender_id,
        message.meta.sender_instance_id,
        message.target_id,
        message.message_type,
        message.message_id,
        attempts=attempts,
        ingress=route.partition(b" ")[0].decode("utf-8", "replace"),
        stage="delivery",
        policy=snapshot.mirror.policy.version,
        receiver=instance,
        envelope=msgspec.Raw(envelope),
    )
    return Lost(message, envelope, letter)
