"""Find instances that died without leaving, and take them off the books."""

import anyio
import structlog
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.clock import SYSTEM, Clock
from mas.errors import RedisUnavailable
from mas.ids import AgentId, InstanceId, is_valid
from mas.keys import Keys
from mas.redis import Redis, Script
from mas.registry.enrolment import leave

log = structlog.get_logger(__name__)

INTERVAL = 5.0
"""Seconds between two looks."""

DEAD = Script(
    "find the dead",
    # KEYS: agents.  ARGV: the prefix of an agent's keys.  Returns agent and instance in turn.
    """
    local dead = {}
    for _, agent in ipairs(redis.call('SMEMBERS', KEYS[1])) do
      for _, instance in ipairs(redis.call('SMEMBERS', ARGV[1] .. agent .. ':instances')) do
        if redis.call('EXISTS', ARGV[1] .. agent .. ':heartbeat:' .. instance) == 0 then
          dead[#dead + 1] = agent
          dead[#dead + 1] = instance
        end
      end
    end
    return dead
    """,
)


class HealthMonitor:
    """Looks after the instances of all processes; several monitors do no harm."""

    def __init__(self, redis: Redis, keys: Keys, clock: Clock = SYSTEM) -> None:
        self._redis, self._keys, self._clock = redis, keys, clock

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Look until cancelled; an unreachable Redis is waited out."""
        task_status.started()
        while True:
            try:
                await self.look()
            except (RedisUnavailable, ResponseError) as error:
                log.warning("cannot look after instances", problem=str(error))
            await self._clock.sleep(INTERVAL)

    async def look(self) -> list[tuple[AgentId, InstanceId]]:
        """Look once; return who was found dead and taken off the books."""
        found = await self._redis.run_script(DEAD, [self._keys.agents], [self._keys.agent(AgentId(""))])
        names = [name.decode("utf-8", "replace") for name in found]
        buried = []
        for agent, instance in zip(names[::2], names[1::2], strict=True):
            if not (is_valid(agent) and is_valid(instance)):
                continue
            who = AgentId(agent), InstanceId(instance)
            if await leave(self._redis, self._keys, *who, only_if_dead=True):
                log.warning("an instance died without leaving", agent=agent, instance=instance)
                buried.append(who)
        return buried
