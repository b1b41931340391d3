"""The policy stands in Redis as the configuration says; put back, with an alarm, when it is gone."""

from collections.abc import Callable, Iterable

import anyio
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.clock import SYSTEM, Clock
from mas.directory.policy import Policy, Rule, read_policy, write_policy
from mas.errors import IntegrityError, RedisUnavailable
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis
from mas.trust import Keyring

log = logger(__name__)

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

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Publish; ready then; look after it until cancelled."""
        await self.publish(self._rules)
        task_status.started()
        while True:
            await self._clock.sleep(INTERVAL)
            try:
                if not await self._redis.call("EXISTS", self._keys.policy):
                    self._alarm(self._keys.policy, "the policy was gone; it is put back")
                    await self.publish(self._rules)
            except (RedisUnavailable, ResponseError) as error:
                log.warning("cannot look after the policy", problem=str(error))

    async def publish(self, rules: Iterable[Rule]) -> bool:
        """Make these rules the policy; the very next commit binds to them.

        :returns: whether that changed anything
        """
        policy = Policy(rules)
        stored = await self._redis.call("GET", self._keys.policy)
        if stored is not None:
            try:
                if read_policy(self._keyring.record, self._keys, stored).rules == policy.rules:
                    return False
            except IntegrityError as error:
                self._alarm(error.what, f"{error.problem}; the policy is written anew")
        await self._redis.call(
            "SET", self._keys.policy, write_policy(self._keyring.record, self._keys, policy)
        )
        self._rules = policy.rules
        log.info("policy published", rules=len(policy.rules), version=policy.version)
        self._published(policy)
        return True


def _log_alarm(subject: str, problem: str) -> None:
    log.critical("security alarm", subject=subject, problem=problem)
