"""Find deliveries whose receivers all died, and have them buried.

A receiver that lives renews what it holds, takes over what others left, and reports what it gives up. A
message that kills every process which handles it, until none is started any more, has nobody to report it:
its starts are spent, and it would stay pending for ever. So every gateway looks for such deliveries and
orders their burial. The order lies in the ingress stream like any submission: one gateway obeys it, in one
commit, which a receiver that came back forestalls by claiming its delivery.

A lease also lapses where Redis or a whole machine stood still. So what is found at one look is ordered at
the next, a lease later, and whoever obeys looks once more. What has starts left waits for a receiver.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable

import msgspec
from redis.exceptions import ResponseError

from mas.clock import Clock
from mas.decision import Decision
from mas.errors import IntegrityError, RedisUnavailable
from mas.gateway.burial import Burial, lose
from mas.gateway.change import Removal
from mas.gateway.snapshot import Snapshot
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict
from mas.ids import AgentId, InstanceId
from mas.keys import AGENT_GROUP, Keys
from mas.log import logger
from mas.redis import Redis, Reply
from mas.settings import DeliverySettings
from mas.trust import protect, unprotect

log = logger(__name__)

REASON = "every receiver that started it died"
_PAGE = 256
"""Entries of one agent in a look; of a longer list, the next look sees the next."""
_AGENTS = 64
"""Asked about in one write."""
_MOST = 1_000
"""Orders that one look may lead to, more or less; the next look begins where this one ended."""


class Abandoned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bury one delivery, if it is still abandoned."""

    agent: AgentId
    """Its receiver."""
    entry: str
    """Its id in the receiver's stream."""
    idle: int
    """Milliseconds for which nobody may have renewed it."""


class Sweep:
    """One gateway's looks at what is pending.

    :param agents: whose streams there are
    :param delivery: the settings in force
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        key: bytes,
        agents: Callable[[], Iterable[AgentId]],
        delivery: Callable[[], DeliverySettings],
        clock: Clock,
    ) -> None:
        self._redis, self._keys, self._key, self._clock = redis, keys, key, clock
        self._agents, self._delivery = agents, delivery
        self._longest = 0.0
        self._suspects: set[tuple[AgentId, bytes]] = set()
        """What the last look found."""
        self._after: dict[AgentId, bytes] = {}
        """How far the list of an agent has been seen, where it is longer than a page."""
        self._begin = AgentId("")

    @property
    def _lease(self) -> float:
        # Agents keep the lease that they started with: one that was shortened since is not theirs yet.
        self._longest = max(self._longest, self._delivery().lease)
        return self._longest

    async def run(self) -> None:
        """Look once a lease until cancelled; an unreachable Redis is waited out."""
        while True:
            await self._clock.sleep(self._lease)
            try:
                await self.look()
            except (RedisUnavailable, ResponseError):
                # What was found is forgotten: receivers may be cut off as well, and get another lease.
                continue

    async def look(self) -> None:
        """Order the burial of what the last look found, and look for more."""
        ordered, self._suspects = self._suspects, set()
        idle = int(self._lease * 1000)
        orders = [Abandoned(agent, entry.decode(), 2 * idle) for agent, entry in ordered]
        posted = [
            self._redis.post("XADD", self._keys.ingress, "*", "abandoned", self._write(order))
            for order in orders
        ]
        for reply in posted:
            await reply.result()
        self._suspects = await self._find(idle) - ordered

    async def _find(self, idle: int) -> set[tuple[AgentId, bytes]]:
        agents = sorted(self._agents())
        self._after = {agent: self._after[agent] for agent in agents if agent in self._after}
        begin = bisect_left(agents, self._begin)
        agents = agents[begin:] + agents[:begin]
        self._begin, found = AgentId(""), set[tuple[AgentId, bytes]]()
        for at in range(0, len(agents), _AGENTS):
            if len(found) >= _MOST:
                self._begin = agents[at]
                break
            asked = [(agent, self._ask(agent, idle)) for agent in agents[at : at + _AGENTS]]
            for agent, reply in asked:
                try:
                    page = await reply.result()
                except ResponseError:
                    # Nobody ever read this stream, or its key holds something else.
                    page = []
                self._after.pop(agent, None)
                if len(page) == _PAGE:
                    self._after[agent] = page[-1][0]
                most = self._delivery().max_attempts
                found.update((agent, entry) for entry, _, _, starts in page if starts >= most)
        return found

    def _ask(self, agent: AgentId, idle: int) -> Reply:
        after = self._after.get(agent)
        first = b"-" if after is None else b"(" + after
        stream = self._keys.stream(agent)
        return self._redis.post("XPENDING", stream, AGENT_GROUP, "IDLE", idle, first, "+", _PAGE)

    def _write(self, order: Abandoned) -> bytes:
        return write_abandoned(self._key, self._keys, order)


def write_abandoned(key: bytes, keys: Keys, order: Abandoned) -> bytes:
    """Return an order as its entry holds it."""
    return protect(key, f"{keys.ingress} abandoned", msgspec.json.encode(order))


def _read(key: bytes, stream: str, stored: bytes) -> Abandoned:
    place = f"{stream} abandoned"
    body = unprotect(key, place, stored)
    try:
        return msgspec.json.decode(body, type=Abandoned)
    except msgspec.DecodeError as error:
        raise IntegrityError(place, "it is no order") from error


async def open_burial(
    submission: Submission, stored: bytes, snapshot: Snapshot, redis: Redis, alarm: Callable[[str, str], None]
) -> None:
    """Look what an order comes to: a burial, or nothing where a receiver lives or its work is done."""
    try:
        order = _read(snapshot.keyring.record, submission.stream, stored)
    except IntegrityError as error:
        # Not an order then, and no submission: the shape stage says so.
        alarm(error.what, f"{error.problem}; it is not obeyed")
        return
    delivery, stream = snapshot.settings.delivery, snapshot.keys.stream(order.agent)
    idle = max(order.idle, int(2000 * delivery.lease))
    pending = redis.post("XPENDING", stream, AGENT_GROUP, "IDLE", idle, order.entry, order.entry, 1)
    there = redis.post("XRANGE", stream, order.entry, order.entry)
    try:
        held, found = await pending.result(), await there.result()
    except ResponseError:
        held = found = []
    submission.trouble = Verdict(Decision.DEAD_LETTERED, REASON, "delivery")
    submission.burial = Burial()
    if not held or held[0][3] < delivery.max_attempts:
        return
    consumer = InstanceId(held[0][1].decode("utf-8", "replace"))
    removal = Removal(stream, AGENT_GROUP, consumer, order.entry)
    # A receiver that dies as it gives up has counted a start that it did not make.
    attempts = min(held[0][3], delivery.max_attempts)
    fields = found[0][1] if found else []
    lost = lose(fields, order.agent, consumer, snapshot, attempts=attempts, reason=REASON)
    if isinstance(lost, str):
        alarm(f"{stream} {order.entry}", f"{lost}; it is taken off")
        submission.burial = Burial(removal)
        return
    log.error("every receiver of a delivery died; it is buried", agent=order.agent, attempts=attempts)
    # Nobody is left to report it, and what killed its receivers shall not go on unseen.
    submission.burial = Burial(removal, lost, failures=1)
