"""Change who may message whom from Python: a chain of steps, each checked at once, applied together.

    await system.authorization.allow("clerk", "desk", types=["note"]).block("guest", "desk").apply()

Until `apply` nothing happens, and then all of it or nothing. The steps build on the policy in force, whoever
put it there; the next reload of the configuration, or the next start of a gateway, puts the configuration's
own rules in force again.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from mas.directory.grants import spelled_out
from mas.directory.keeper import PolicyKeeper
from mas.directory.policy import Policy, Rule
from mas.errors import ConfigurationError
from mas.ids import AgentId
from mas.settings.contradiction import contradicted
from mas.settings.fields import nearest
from mas.settings.permissions import (
    Allow,
    AllowBidirectional,
    AllowBroadcast,
    AllowNetwork,
    AllowWildcard,
    Assign,
    Block,
    Permission,
    Role,
)

Names = str | Iterable[str]
Step = Callable[[set[Rule]], object]


class _Chain(NamedTuple):
    """The steps so far."""

    steps: tuple[Step, ...] = ()
    permissions: tuple[Permission, ...] = ()
    """What they grant and block, to be checked against one another."""
    roles: Mapping[str, Role] = MappingProxyType({})
    """What they define."""


_EMPTY = _Chain()


class Authorization:
    """A chain of changes; every step returns a longer one and leaves this one as it is.

    :param keeper: publishes what comes out
    :param roles: the roles that can be assigned, to which applied ones are added; None where roles are
        switched off
    """

    __slots__ = ("_chain", "_keeper", "_roles")

    def __init__(self, keeper: PolicyKeeper, roles: dict[str, Role] | None, chain: _Chain = _EMPTY) -> None:
        self._keeper, self._roles, self._chain = keeper, roles, chain

    def allow(self, senders: Names, targets: Names, *, types: Names = ()) -> "Authorization":
        """Let each sender message each target; with types, only with messages of these.

        :raises ConfigurationError: at once, if that cannot be meant, as for every other step
        """
        return self._granting(Allow(senders=_ids(senders), targets=_ids(targets), types=_texts(types)))

    def allow_bidirectional(self, one: str, other: str) -> "Authorization":
        """Let two agents message each other."""
        return self._granting(AllowBidirectional(agents=_ids((one, other))))

    def allow_network(self, agents: Iterable[str], *, bidirectional: bool = True) -> "Authorization":
        """Let all message all, or each only the next in the list."""
        return self._granting(AllowNetwork(agents=_ids(agents), bidirectional=bidirectional))

    def allow_broadcast(self, sender: str, targets: Names) -> "Authorization":
        """Let one agent message several, which may not answer unasked."""
        return self._granting(AllowBroadcast(sender=AgentId(sender), targets=_ids(targets)))

    def allow_wildcard(self, agent: str) -> "Authorization":
        """Let one agent message everyone."""
        return self._granting(AllowWildcard(agent=AgentId(agent)))

    def block(self, senders: Names, targets: Names) -> "Authorization":
        """Let no sender message any target, whatever else is granted."""
        return self._granting(Block(senders=_ids(senders), targets=_ids(targets)))

    def role(self, role: str, permissions: Names) -> "Authorization":
        """Define a role, such as `send:patient*`.

        :raises ConfigurationError: also if it is defined otherwise already, or roles are switched off
        """
        defined = Role(role=role, permissions=_texts(permissions))
        known = self._known_roles().get(role)
        if known is not None and set(known.permissions) != set(defined.permissions):
            raise ConfigurationError(f"role {role} may {', '.join(known.permissions)} already", where="role")
        return self._longer(roles={**self._chain.roles, role: defined})

    def assign(self, agents: Names, role: str) -> "Authorization":
        """Give agents, by id or pattern, a role.

        :raises ConfigurationError: also if there is no such role, or roles are switched off
        """
        known = self._known_roles()
        if role not in known:
            hint = nearest(role, known) or "define it with role()"
            raise ConfigurationError(f"there is no role {role}", where="assign", hint=hint)
        return self._granting(Assign(agents=_texts(agents), role=role))

    def revoke(self, sender: str, target: str) -> "Authorization":
        """Take back what grants just this pair, patterns spelled as they were granted.

        `apply` raises `ConfigurationError` if nothing does, or if a wider rule goes on granting it.
        """

        def step(rules: set[Rule]) -> None:
            _take(rules, "allow", sender, target)
            ruling = Policy(rules).grants(AgentId(sender), AgentId(target))
            if ruling:
                raise ConfigurationError(
                    f"{sender} -> {target} is still granted: {ruling[0]}", where="revoke", hint="block it"
                )

        return self._taking(step)

    def unblock(self, sender: str, target: str) -> "Authorization":
        """Take back the block on just this pair; `apply` raises `ConfigurationError` if there is none."""
        return self._taking(lambda rules: _take(rules, "block", sender, target))

    def unassign(self, agent: str, role: str) -> "Authorization":
        """Take a role from an agent or pattern; `apply` raises `ConfigurationError` if it has it not."""

        def step(rules: set[Rule]) -> None:
            for held in _take(rules, "role", agent, role):
                granted = f"{held.origin} {role}"
                rules -= {rule for rule in rules if rule.sender == agent and rule.origin == granted}

        return self._taking(step)

    async def apply(self) -> bool:
        """Put all steps in force at once; the very next commit binds to them.

        :returns: whether that changed anything
        :raises ConfigurationError: if there is nothing that a step could take back; the policy stays
        :raises RedisUnavailable: if Redis does not answer
        """
        changed = await self._keeper.amend(self._changed)
        if self._roles is not None:
            self._roles.update(self._chain.roles)
        return changed

    def _changed(self, rules: tuple[Rule, ...]) -> Iterable[Rule]:
        changed = set(rules)
        for step in self._chain.steps:
            step(changed)
        return changed

    def _granting(self, permission: Permission) -> "Authorization":
        permissions = (*self._chain.permissions, permission)
        for problem in contradicted(permissions).values():
            raise ConfigurationError(problem, where=permission.type, hint="a block wins over every grant")
        roles = self._known_roles() if isinstance(permission, Assign) else {}
        rules = tuple(spelled_out(permission, f"authorization {permission.type}", roles))
        return self._longer(
            permissions=permissions, steps=(*self._chain.steps, lambda held: held.update(rules))
        )

    def _taking(self, step: Step) -> "Authorization":
        return self._longer(steps=(*self._chain.steps, step))

    def _longer(self, **changes: Any) -> "Authorization":
        return Authorization(self._keeper, self._roles, self._chain._replace(**changes))

    def _known_roles(self) -> Mapping[str, Role]:
        if self._roles is None:
            raise ConfigurationError("roles are switched off", where="features.rbac")
        return {**self._roles, **self._chain.roles}


def _take(rules: set[Rule], effect: str, sender: str, target: str) -> list[Rule]:
    """Remove the rules of one effect on just this pair, and return them."""
    found = [rule for rule in rules if (rule.effect, rule.sender, rule.target) == (effect, sender, target)]
    if not found:
        raise ConfigurationError(f"nothing says {effect} {sender} -> {target}", where="authorization")
    rules.difference_update(found)
    return found


def _ids(names: Names) -> tuple[AgentId, ...]:
    return tuple(map(AgentId, _texts(names)))


def _texts(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
