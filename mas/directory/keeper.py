"""The policy stands in Redis as the configuration says; put back, with an alarm, when it is gone."""

from collections.abc import Callable, Iterable

import anyio
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.clock import SYSTEM, Clock
from mas.directory.policy import VERSION_BYTES, Policy, Rule, read_policy, write_policy
from mas.errors import IntegrityError, RedisUnavailable
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis, Script
from mas.trust import Keyring

log = logger(__name__)

REPLACE = Script(
    "replace_policy",
    """#!lua
if redis.call('GETRANGE', KEYS[1], 0, 31) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
""",
)
"""Put another policy in the place of just that version, so that no change undoes one made meanwhile."""

INTERVAL = 2.0
"""Seconds between two looks."""


class PolicyKeeper:
    """Publishes a configuration's rules, and looks after them.

    A policy that holds the same rules is left as it is, version and all, so that a gateway that starts
    costs the others nothing.

    :param published: told each policy that takes effect
    :param alarm: told what is not as it must be: where, and the problem
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        keyring: Keyring,
        rules: Iterable[Rule],
        *,
        clock: Clock = SYSTEM,
        published: Callable[[Policy], None] = lambda _: None,
        alarm: Callable[[str, str], None] | None = None,
    ) -> None:
        self._published, self._alarm = published, alarm or _log_alarm
        self._redis, self._keys, self._keyring, self._clock = redis, keys, keyring, clock
        self._rules = tuple(rules)
        self._version = ""

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Publish; ready then; look after it until cancelled."""
        await self.publish(self._rules)
        task_status.started()
        while True:
            await self._clock.sleep(INTERVAL)
            try:
                await self._look()
            except (RedisUnavailable, ResponseError) as error:
                log.warning("cannot look after the policy", problem=str(error))

    async def publish(self, rules: Iterable[Rule]) -> bool:
        """Make these rules the policy; the very next commit binds to them.

        :returns: whether that changed anything
        :raises RedisUnavailable: if Redis does not answer
        """
        wanted = tuple(rules)
        return await self.amend(lambda _: wanted)

    async def amend(self, change: Callable[[tuple[Rule, ...]], Iterable[Rule]]) -> bool:
        """Put what a change makes of the rules in force in their place, in one step.

        :param change: called again if somebody else changed the policy meanwhile; what it raises comes out,
            and the policy stays as it was
        :returns: whether that changed anything
        :raises RedisUnavailable: if Redis does not answer
        """
        key = self._keys.policy
        while True:
            stored = await self._redis.call("GET", key)
            current = self._trusted(stored)
            policy = Policy(change(self._rules if current is None else current.rules))
            if current is not None and current.rules == policy.rules:
                self._rules, self._version = current.rules, current.version
                return False
            written = write_policy(self._keyring.record, self._keys, policy)
            head = (stored or b"")[:VERSION_BYTES]
            if await self._redis.run_script(REPLACE, [key], [head, written]):
                break
        self._rules, self._version = policy.rules, policy.version
        log.info("policy published", rules=len(policy.rules), version=policy.version)
        self._published(policy)
        return True

    async def _look(self) -> None:
        """Put back what is gone or forged; adopt what another holder of the secret published."""
        head = await self._redis.call("GETRANGE", self._keys.policy, 0, VERSION_BYTES - 1)
        if head.decode("ascii", "replace") == self._version:
            return
        stored = await self._redis.call("GET", self._keys.policy)
        if stored is None:
            self._alarm(self._keys.policy, "the policy was gone; it is put back")
        elif (current := self._trusted(stored)) is not None:
            self._rules, self._version = current.rules, current.version
            return
        await self.publish(self._rules)

    def _trusted(self, stored: bytes | None) -> Policy | None:
        """Return the stored policy; None, with an alarm, if it is not what a holder of the secret wrote."""
        if stored is None:
            return None
        try:
            return read_policy(self._keyring.record, self._keys, stored)
        except IntegrityError as error:
            self._alarm(error.what, f"{error.problem}; the policy is written anew")
            return None


def _log_alarm(subject: str, problem: str) -> None:
    log.critical("security alarm", subject=subject, problem=problem)
