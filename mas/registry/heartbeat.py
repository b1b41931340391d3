"""One heartbeat for all instances of a process.

It says that each instance is alive, but does not lengthen its token. A token that is gone (revoked,
flushed, expired while the process slept) is reported, so that whoever owns the instance can try to enrol
it again.
"""

from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.clock import SYSTEM, Clock
from mas.errors import RedisUnavailable
from mas.ids import AgentId, InstanceId
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis, Script
from mas.registry.enrolment import HEARTBEAT_LIFE

log = logger(__name__)

BEAT = Script(
    "beat",
    # KEYS: heartbeat and token hash of each instance.  ARGV: life of a heartbeat in milliseconds.
    # Returns the numbers, from 1, of the instances whose token is gone.
    """
    local lost = {}
    for i = 1, #KEYS, 2 do
      if redis.call('EXISTS', KEYS[i + 1]) == 1 then
        redis.call('SET', KEYS[i], '1', 'PX', ARGV[1])
      else
        lost[#lost + 1] = (i + 1) / 2
      end
    end
    return lost
    """,
)

INTERVAL = HEARTBEAT_LIFE / 3
_AT_ONCE = 200


class Heartbeat:
    """Beats for every instance that joined.

    :param lost: called with an instance whose token is gone
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        lost: Callable[[AgentId, InstanceId], Awaitable[None]],
        *,
        clock: Clock = SYSTEM,
    ) -> None:
        self._redis, self._keys, self._lost, self._clock = redis, keys, lost, clock
        self._members: dict[tuple[AgentId, InstanceId], None] = {}

    def join(self, agent: AgentId, instance: InstanceId) -> None:
        """Begin to beat for an instance."""
        self._members[agent, instance] = None

    def leave(self, agent: AgentId, instance: InstanceId) -> None:
        """Stop beating for an instance."""
        self._members.pop((agent, instance), None)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Beat until cancelled; an unreachable Redis is waited out."""
        task_status.started()
        generation = self._redis.generation
        while True:
            # After a reconnect at once: the server may have come back empty.
            with anyio.move_on_after(INTERVAL):
                while self._redis.generation == generation:
                    await self._clock.sleep(INTERVAL / 10)
            generation = self._redis.generation
            try:
                await self.beat()
            except (RedisUnavailable, ResponseError) as error:
                log.warning("no heartbeat", problem=str(error))

    async def beat(self) -> None:
        """Beat once for everyone."""
        members = list(self._members)
        for at in range(0, len(members), _AT_ONCE):
            some = members[at : at + _AT_ONCE]
            keys = [key for who in some for key in (self._keys.heartbeat(*who), self._keys.token_hash(*who))]
            for number in await self._redis.run_script(BEAT, keys, [int(HEARTBEAT_LIFE * 1000)]):
                who = some[int(number) - 1]
                if who in self._members:
                    log.warning("an instance's token is gone", agent=who[0], instance=who[1])
                    await self._lost(*who)
