"""The policy of one system: put in force from its settings, reloaded, changed from Python, and followed."""

from collections.abc import Callable
from typing import NamedTuple

from mas.audit import EventKind, Events
from mas.clock import Clock
from mas.directory import Authorization, Policy, PolicyKeeper, Rule, described, rules_of
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis
from mas.settings import (
    GatewaySettings,
    Settings,
    changed_keys,
    kept_until_restart,
    share,
    wait_for_restart,
)
from mas.settings.permissions import roles_in
from mas.trust import Keyring

log = logger(__name__)


class Reloaded(NamedTuple):
    """What a reload came to."""

    changed: bool
    """Whether anything else is in force now."""
    waiting: tuple[str, ...]
    """Keys that differ and wait for a restart."""


class SystemPolicy:
    """What a process with a gateway does about the policy.

    :param settings: what the process started with
    :param followed: told the settings in force whenever they become others
    :ivar keeper: keeps the policy in Redis
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        keyring: Keyring,
        settings: Settings,
        events: Events,
        *,
        clock: Clock,
        followed: Callable[[GatewaySettings], None],
    ) -> None:
        self._started, self._events, self._followed = settings, events, followed
        self._in_force, self._roles = settings.gateway, roles_in(settings.permissions)
        self.keeper = PolicyKeeper(
            redis,
            keys,
            keyring,
            _rules(settings),
            share(settings.gateway),
            clock=clock,
            published=self._record,
            in_force=self._follow,
            alarm=events.alarm,
        )

    async def reload(self, settings: Settings) -> Reloaded:
        """Put the permissions and gateway settings of newer settings in force, in one step.

        :raises RedisUnavailable: if Redis does not answer; all stays as it was
        """
        changed = await self.keeper.publish(_rules(settings), share(settings.gateway))
        self._roles = roles_in(settings.permissions)
        return Reloaded(changed, tuple(wait_for_restart(self._started, settings)))

    @property
    def authorization(self) -> Authorization:
        """Begin a change of who may message whom."""
        return Authorization(self.keeper, self._roles if self._in_force.features.rbac else None)

    def _record(self, policy: Policy, keys: list[str]) -> None:
        self._events.post(EventKind.POLICY_CHANGED, policy.version, detail=described(policy, keys))

    def _follow(self, policy: Policy) -> None:
        """Take note of the settings in force; name what this process goes on with until it starts again."""
        settings = policy.settings
        if settings is None or settings == self._in_force:
            return
        self._in_force = settings
        self._followed(settings)
        keys = changed_keys(share(self._started.gateway), policy.gateway)
        if waiting := kept_until_restart(keys):
            log.warning("what is in force here in part waits for a restart", keys=", ".join(waiting))


def _rules(settings: Settings) -> list[Rule]:
    return rules_of(settings.permissions, roles=settings.gateway.features.rbac)
