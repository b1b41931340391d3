"""One entry of an ingress stream, on its way to a decision."""

from mas.bus import Entry
from mas.directory import Sender
from mas.gateway.verdict import Verdict
from mas.ids import AgentId, InstanceId
from mas.letters import ORDER_FIELDS, Redrive
from mas.message import Message
from mas.trust import Permit

FIELDS = [b"envelope", b"agent", b"instance", b"timestamp", b"sequence", b"signature"]
"""What an agent submits, in this order."""


class Submission:
    """What the stages look at and fill in, each building on those before it.

    The claims (agent, instance) are what the entry says; they are the truth only once the signature
    stage has passed. `message` is None until the shape stage has passed.
    """

    __slots__ = (
        "agent",
        "arrived",
        "entry_id",
        "envelope",
        "instance",
        "message",
        "order",
        "permit",
        "proven",
        "redacted",
        "redrive",
        "rule",
        "sender",
        "sequence",
        "sequence_text",
        "signature",
        "signed_at",
        "signed_at_text",
        "stream",
        "trouble",
        "well_formed",
    )

    def __init__(self, entry: Entry) -> None:
        self.stream, self.entry_id = entry.stream.decode(), entry.id.decode()
        self.arrived = int(self.entry_id.partition("-")[0]) / 1000
        """Seconds since the epoch, by Redis' clock."""
        self.message: Message | None = None
        self.sender: Sender | None = None
        self.proven = False
        self.rule = ""
        """Which entry of the configuration lets it through, or does not."""
        self.redacted = b""
        """The envelope to deliver instead, where the payload was redacted."""
        self.permit: Permit | None = None
        self.sequence, self.signed_at = 0, 0.0
        self.agent, self.instance = AgentId(""), InstanceId("")
        self.envelope = self.signed_at_text = self.sequence_text = self.signature = b""
        fields = entry.fields or []
        self.well_formed = fields[::2] == FIELDS
        self.order = fields[1] if fields[::2] == ORDER_FIELDS else b""
        """An operator's order to redrive, unopened; empty for what agents submit."""
        self.redrive: Redrive | None = None
        """The order, once it is known to be one; the rest is then its letter's."""
        self.trouble: Verdict | None = None
        """What keeps the order from being obeyed."""
        if self.well_formed:
            self.envelope, agent, instance, self.signed_at_text, self.sequence_text, self.signature = fields[
                1::2
            ]
            try:
                self.agent, self.instance = AgentId(agent.decode()), InstanceId(instance.decode())
            except UnicodeDecodeError:
                self.well_formed = False
