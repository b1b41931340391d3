"""Find instances that died without leaving, and take them off the books."""

import anyio
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.audit import EventKind, Events
from mas.clock import SYSTEM, Clock
from mas.errors import RedisUnavailable
from mas.ids import AgentId, InstanceId, is_valid
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis, Script
from mas.registry.enrolment import HEARTBEAT_LIFE, leave

log = logger(__name__)

INTERVAL = 5.0
"""Seconds between two looks."""

DEAD = Script(
    "find the dead",
    # KEYS: agents, outsiders.  ARGV: templates of an agent's instances, and of an instance's heartbeat, own
    # stream and token hash, with @A for the agent and @I for the instance.  Returns agent and instance in
    # turn. One that runs elsewhere cannot make its streams again, and could beat for ever: it is there for
    # just as long as its token.
    """
    local dead = {}
    for _, agent in ipairs(redis.call('SMEMBERS', KEYS[1])) do
      local outside = redis.call('SISMEMBER', KEYS[2], agent) == 1
      -- As functions: in a text that replaces, '%' is not itself.
      local function of_agent() return agent end
      for _, instance in ipairs(redis.call('SMEMBERS', (ARGV[1]:gsub('@A', of_agent)))) do
        local function exists(template)
          local key = template:gsub('@A', of_agent):gsub('@I', function() return instance end)
          return redis.call('EXISTS', key) == 1
        end
        local good = exists(ARGV[4])
        local gone = not good
        if not outside then gone = not exists(ARGV[2]) and not (good and not exists(ARGV[3])) end
        if gone then
          dead[#dead + 1] = agent
          dead[#dead + 1] = instance
        end
      end
    end
    return dead
    """,
)
_A, _I = AgentId("@A"), InstanceId("@I")
_WHY = "no sign of life, or no good token any more"


class HealthMonitor:
    """Looks after the instances of all processes; several monitors do no harm.

    While Redis is away, or takes no write, signs of life run out that nobody could renew. So whoever is
    without one then, or within a beat's time of it, is not dead for that.

    :param in_flight: seconds that what a dead instance submitted may still wait to be decided
    """

    def __init__(
        self, redis: Redis, keys: Keys, events: Events, *, in_flight: float, clock: Clock = SYSTEM
    ) -> None:
        self._redis, self._keys, self._events, self._clock = redis, keys, events, clock
        self._in_flight = in_flight

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Look until cancelled; an unreachable Redis is waited out."""
        task_status.started()
        generation, judges_from = self._redis.generation, self._clock.monotonic()
        while True:
            if self._redis.generation != generation:
                generation, judges_from = self._redis.generation, self._clock.monotonic() + HEARTBEAT_LIFE
            if self._clock.monotonic() >= judges_from:
                try:
                    await self.look()
                except (RedisUnavailable, ResponseError) as error:
                    log.warning("cannot look after instances", problem=str(error))
                    judges_from = self._clock.monotonic() + HEARTBEAT_LIFE
            await self._clock.sleep(INTERVAL)

    async def look(self) -> list[tuple[AgentId, InstanceId]]:
        """Look once; return who was found dead and taken off the books."""
        keys = self._keys
        templates = [
            keys.instances(_A),
            keys.heartbeat(_A, _I),
            keys.instance_stream(_A, _I),
            keys.token_hash(_A, _I),
        ]
        found = await self._redis.run_script(DEAD, [keys.agents, keys.outsiders], templates)
        names = [name.decode("utf-8", "replace") for name in found]
        buried = []
        for agent, instance in zip(names[::2], names[1::2], strict=True):
            if not (is_valid(agent) and is_valid(instance)):
                continue
            who = AgentId(agent), InstanceId(instance)
            if await leave(self._redis, keys, *who, in_flight=self._in_flight, only_if_dead=True):
                log.warning(
                    "an instance is taken off the books", agent=agent, instance=instance, problem=_WHY
                )
                self._events.post(EventKind.LEFT, f"{agent}:{instance}", detail=_WHY)
                buried.append(who)
        return buried
