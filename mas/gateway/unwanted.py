"""Bury deliveries whose receiver is not to come back, as an operator orders it.

What is buried is a delivery that the operator's command holds, as a receiver would: an agent that comes
back meanwhile and takes it over keeps it.
"""

from collections.abc import Callable

from redis.exceptions import ResponseError

from mas.decision import Decision
from mas.errors import IntegrityError
from mas.gateway.burial import Burial, lose
from mas.gateway.change import Removal
from mas.gateway.snapshot import Snapshot
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict
from mas.ids import InstanceId
from mas.keys import AGENT_GROUP
from mas.letters import HOLDER, read_unwanted
from mas.redis import Redis


async def open_unwanted(
    submission: Submission, stored: bytes, snapshot: Snapshot, redis: Redis, alarm: Callable[[str, str], None]
) -> None:
    """Look what an order comes to: a burial, or nothing where somebody else holds the delivery."""
    try:
        order = read_unwanted(snapshot.keyring.record, submission.stream, stored)
    except IntegrityError as error:
        # Not an order then, and no submission: the shape stage says so.
        alarm(error.what, f"{error.problem}; it is not obeyed")
        return
    reason = f"its receiver is forgotten, says {order.actor}"
    submission.trouble = Verdict(Decision.DEAD_LETTERED, reason, "delivery")
    submission.burial = Burial()
    stream = snapshot.keys.stream(order.agent)
    pending = redis.post("XPENDING", stream, AGENT_GROUP, order.entry, order.entry, 1, HOLDER)
    there = redis.post("XRANGE", stream, order.entry, order.entry)
    try:
        held, found = await pending.result(), await there.result()
    except ResponseError:
        held = found = []
    if not held:
        return
    removal = Removal(stream, AGENT_GROUP, HOLDER, order.entry)
    fields = found[0][1] if found else []
    lost = lose(fields, order.agent, InstanceId(""), snapshot, attempts=held[0][3], reason=reason)
    if isinstance(lost, str):
        alarm(f"{stream} {order.entry}", f"{lost}; it is taken off")
        submission.burial = Burial(removal)
        return
    submission.burial = Burial(removal, lost)
