"""One entry of an ingress stream, on its way to a decision."""

from mas.bus import Entry
from mas.directory import Sender
from mas.gateway.burial import Burial
from mas.gateway.verdict import Verdict
from mas.ids import AgentId, InstanceId
from mas.letters import ORDER_FIELDS, UNWANTED_FIELDS, Redrive
from mas.message import Message
from mas.trust import Permit

FIELDS = [b"envelope", b"agent", b"instance", b"timestamp", b"sequence", b"signature"]
"""What an agent submits, in this order."""
ABANDONED_FIELDS = [b"abandoned"]
"""What the entry of an order holds that a gateway gives; see `mas.gateway.abandoned`."""


class Submission:
    """What the stages look at and fill in, each building on those before it.

    The claims (agent, instance) are what the entry says; they are the truth only once the signature
    stage has passed. `message` is None until the shape stage has passed.
    """

    __slots__ = (
        "agent",
        "arrived",
        "burial",
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
        stream, entry_id, fields = entry
        self.stream, self.entry_id = stream.decode(), entry_id.decode()
        self.arrived = int(entry_id.partition(b"-")[0]) / 1000
        """Seconds since the epoch, by Redis' clock."""
        self.message: Message | None = None
        self.sender: Sender | None = None
        self.proven = self.well_formed = False
        self.rule = ""
        """Which entry of the configuration lets it through, or does not."""
        self.redacted = b""
        self.order: tuple[bytes, ...] = ()
        """Name and text of what the deployment itself orders here; whether it does, nobody has asked yet."""
        self.permit: Permit | None = None
        self.redrive: Redrive | None = None
        """The order, once it is known to be one; the rest is then its letter's."""
        self.trouble: Verdict | None = None
        """What keeps the order from being obeyed, or all there is to say of it."""
        self.burial: Burial | None = None
        """The order, once it is known to be one, to bury a delivery."""
        names = fields[::2] if fields else []
        if fields and names == FIELDS:
            _, self.envelope, _, agent, _, instance, _, self.signed_at_text, _, self.sequence_text = fields[
                :10
            ]
            self.signature = fields[11]
            try:
                self.agent, self.instance = AgentId(agent.decode()), InstanceId(instance.decode())
            except UnicodeDecodeError:
                pass
            else:
                self.well_formed = True
                return
        self.agent, self.instance = AgentId(""), InstanceId("")
        self.envelope = self.signed_at_text = self.sequence_text = self.signature = b""
        self.sequence, self.signed_at = 0, 0.0
        if fields and names in (ORDER_FIELDS, ABANDONED_FIELDS, UNWANTED_FIELDS):
            self.order = (fields[0], fields[1])
