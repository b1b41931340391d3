"""Take up dead letters that an operator orders to be decided again.

An order names a letter and nothing else: what it holds, and on whose authority, the letter says, which a
gateway wrote. Its sender need not be enrolled any more; the policy in force is asked about it.
"""

from collections.abc import Callable

import msgspec
from redis.exceptions import ResponseError

from mas.bus import value_of
from mas.decision import Decision
from mas.errors import IntegrityError
from mas.gateway.snapshot import Snapshot
from mas.gateway.stages.authorize import authorize
from mas.gateway.stages.dlp import dlp
from mas.gateway.stages.hops import hops
from mas.gateway.stages.lifetime import lifetime
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict
from mas.ids import AgentId, InstanceId
from mas.letters import DeadLetter, Redrive, read_letter, read_order
from mas.message import GATEWAY, decode
from mas.redis import Redis

REDRIVEN = (lifetime, authorize, hops, dlp)
"""The stages that a letter passes again; who sent it was settled when it was written."""
_BEYOND_SEQUENCES = 2**53


async def open_redrive(
    submission: Submission, stored: bytes, snapshot: Snapshot, redis: Redis, alarm: Callable[[str, str], None]
) -> None:
    """Put a letter in the place of its order; what is wrong with it is left as its verdict."""
    key = snapshot.keyring.record
    try:
        # One that came through another stream than the runners' own carries no MAC for it.
        order = read_order(key, submission.stream, stored)
    except IntegrityError as error:
        # Not an order then, and no submission: the shape stage says so.
        alarm(error.what, f"{error.problem}; it is not obeyed")
        return
    submission.redrive = order
    try:
        letter = await _letter(order, snapshot, redis)
    except IntegrityError as error:
        alarm(f"{error.what} {order.letter}", f"{error.problem}; it is not taken up")
        letter = "the letter is not as a gateway wrote it"
    if isinstance(letter, str):
        submission.trouble = Verdict(Decision.MALFORMED, letter, "redrive")
        return
    submission.envelope = bytes(letter.envelope)
    submission.message = decode(submission.envelope)
    submission.agent, submission.instance = AgentId(letter.sender), InstanceId(letter.instance)
    # Marks a reply to it as given; no instance ever counts as far.
    milliseconds, _, number = submission.entry_id.partition("-")
    submission.sequence = _BEYOND_SEQUENCES + (int(milliseconds) << 20) + int(number)


async def _letter(order: Redrive, snapshot: Snapshot, redis: Redis) -> DeadLetter | str:
    """Return the letter, or why there is none to take up."""
    if snapshot.now > order.expires:
        return "the order waited too long"
    try:
        found = await redis.call("XRANGE", snapshot.keys.dead_letters, order.letter, order.letter)
    except ResponseError:
        found = []
    if not found:
        return "there is no such letter"
    letter = read_letter(snapshot.keyring.record, snapshot.keys, value_of(found[0][1], b"letter") or b"")
    if not letter.is_whole:
        return "its message was not kept"
    try:
        to_gateway = decode(bytes(letter.envelope)).target_id == GATEWAY
    except msgspec.DecodeError:
        return "its message does not decode"
    return "it was for the gateway itself" if to_gateway else letter
