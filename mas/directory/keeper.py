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
from mas.settings import changed_keys
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
    """Publishes a configuration's rules and shared settings, and looks after them.

    A policy that holds the same is left as it is, version and all, so that a gateway that starts
    costs the others nothing.

    :param gateway: the settings as `share` writes them; b"" for none
    :param published: told each policy that this keeper puts in force, and the keys of gateway.yaml it changes
    :param in_force: told each policy that is known to be in force, whoever put it there
    :param alarm: told what is not as it must be: where, and the problem
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        keyring: Keyring,
        rules: Iterable[Rule],
        gateway: bytes = b"",
        *,
        clock: Clock = SYSTEM,
        published: Callable[[Policy, list[str]], None] = lambda *_: None,
        in_force: Callable[[Policy], None] = lambda _: None,
        alarm: Callable[[str, str], None] | None = None,
    ) -> None:
        self._published, self._in_force, self._alarm = published, in_force, alarm or _log_alarm
        self._redis, self._keys, self._keyring, self._clock = redis, keys, keyring, clock
        self._rules, self._gateway = tuple(rules), gateway
        self._version = ""

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Publish; ready then; look after it until cancelled."""
        await self.publish(self._rules, self._gateway)
        task_status.started()
        while True:
            await self._clock.sleep(INTERVAL)
            try:
                await self._look()
            except (RedisUnavailable, ResponseError) as error:
                log.warning("cannot look after the policy", problem=str(error))

    async def publish(self, rules: Iterable[Rule], gateway: bytes = b"") -> bool:
        """Make these rules and settings the policy; the very next commit binds to them.

        :param gateway: as for the class; b"" leaves the settings in force as they are
        :returns: whether that changed anything
        :raises RedisUnavailable: if Redis does not answer
        """
        wanted = tuple(rules)
        return await self.amend(lambda _: wanted, gateway)

    async def amend(self, change: Callable[[tuple[Rule, ...]], Iterable[Rule]], gateway: bytes = b"") -> bool:
        """Put what a change makes of the rules in force in their place, in one step.

        :param change: called again if somebody else changed the policy meanwhile; what it raises comes out,
            and the policy stays as it was
        :param gateway: as for `publish`
        :returns: whether that changed anything
        :raises RedisUnavailable: if Redis does not answer
        """
        key = self._keys.policy
        while True:
            stored = await self._redis.call("GET", key)
            current = self._trusted(stored)
            rules, settings = (
                (self._rules, self._gateway) if current is None else (current.rules, current.gateway)
            )
            policy = Policy(change(rules), gateway=gateway or settings)
            if current is not None and (rules, settings) == (policy.rules, policy.gateway):
                self._adopt(current)
                return False
            written = write_policy(self._keyring.record, self._keys, policy)
            head = (stored or b"")[:VERSION_BYTES]
            if await self._redis.run_script(REPLACE, [key], [head, written]):
                break
        keys = changed_keys(settings, policy.gateway) if current is not None else []
        log.info(
            "policy published", rules=len(policy.rules), settings=", ".join(keys), version=policy.version
        )
        self._adopt(policy)
        self._published(policy, keys)
        return True

    def _adopt(self, policy: Policy) -> None:
        self._rules, self._gateway, self._version = policy.rules, policy.gateway, policy.version
        self._in_force(policy)

    async def _look(self) -> None:
        """Put back what is gone or forged; adopt what another holder of the secret published."""
        head = await self._redis.call("GETRANGE", self._keys.policy, 0, VERSION_BYTES - 1)
        if head.decode("ascii", "replace") == self._version:
            return
        stored = await self._redis.call("GET", self._keys.policy)
        if stored is None:
            self._alarm(self._keys.policy, "the policy was gone; it is put back")
        elif (current := self._trusted(stored)) is not None:
            self._adopt(current)
            return
        await self.publish(self._rules, self._gateway)

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
