"""Messages to the gateway itself: a receiver gives a delivery up, an agent asks who is there.

They have passed the same stages as any other message. What they ask for needs Redis' word first, so
they are looked into before the batch is committed.
"""

import msgspec
from redis.exceptions import ResponseError

from mas.control import DISCOVER_TYPE, FAILED_TYPE, OUTCOMES_TYPE, Discover, Failed, Handled, Peer
from mas.decision import Decision
from mas.gateway.burial import lose
from mas.gateway.change import Change, Removal
from mas.gateway.snapshot import Snapshot
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict
from mas.gateway.writes import Scribe
from mas.keys import AGENT_GROUP
from mas.message import Message
from mas.redis import Redis

_REASON_LENGTH = 500


async def control(
    submission: Submission, message: Message, snapshot: Snapshot, scribe: Scribe, redis: Redis
) -> Change:
    """Return what a control message does; one that makes no sense is refused."""
    try:
        if message.message_type == FAILED_TYPE:
            return await _bury(submission, message, snapshot, scribe, redis)
        if message.message_type == OUTCOMES_TYPE:
            fared = msgspec.json.decode(message.data, type=Handled)
            return scribe.outcomes(submission, max(0, fared.failed), max(0, fared.handled))
        if message.message_type == DISCOVER_TYPE:
            return await _discover(submission, message, snapshot, scribe)
    except (msgspec.DecodeError, ResponseError):
        # What it asks for does not decode, or names an entry by no possible id.
        pass
    refusal = Verdict(Decision.MALFORMED, "the gateway knows no such control message", "control")
    return scribe.refuse(submission, refusal)


async def _discover(submission: Submission, message: Message, snapshot: Snapshot, scribe: Scribe) -> Change:
    wanted = set(msgspec.json.decode(message.data, type=Discover).capabilities)
    mirror = snapshot.mirror
    await mirror.load_listed_agents()
    peers = [
        Peer(agent, record.capabilities, record.metadata)
        for agent, record in sorted(mirror.agents.items())
        if agent != submission.agent
        and wanted <= set(record.capabilities)
        and mirror.is_active(agent)
        and mirror.policy.may_reach(submission.agent, agent)
    ]
    return scribe.answer(submission, message, peers)


async def _bury(
    submission: Submission, message: Message, snapshot: Snapshot, scribe: Scribe, redis: Redis
) -> Change:
    failed = msgspec.json.decode(message.data, type=Failed)
    receiver = submission.agent
    stream = snapshot.keys.stream(receiver)
    found = await redis.call("XRANGE", stream, failed.entry, failed.entry)
    fields = found[0][1] if found else []
    reason = failed.reason[:_REASON_LENGTH]
    lost = lose(fields, receiver, submission.instance, snapshot, attempts=failed.attempts, reason=reason)
    if isinstance(lost, str):
        return scribe.refuse(submission, Verdict(Decision.MALFORMED, lost, "control"))
    return scribe.bury(submission, lost, Removal(stream, AGENT_GROUP, submission.instance, failed.entry))
