"""From the permissions of the configuration to rules: each kind spelled out as who may message whom."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from mas.directory.policy import Rule
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

_SEND = "send:"


def rules_of(permissions: Iterable[Permission], *, roles: bool = True) -> list[Rule]:
    """Return the rules that permissions stand for.

    :param roles: whether roles and their assignments count (`features.rbac`)
    """
    listed = list(permissions)
    known = {role.role: role for role in listed if isinstance(role, Role)}
    rules: list[Rule] = []
    for number, permission in enumerate(listed):
        if isinstance(permission, Assign) and not roles:
            continue
        origin = f"permissions[{number}] {permission.type}"
        rules += spelled_out(permission, origin, known)
    return rules


def spelled_out(permission: Permission, origin: str, roles: Mapping[str, Role]) -> Iterator[Rule]:
    """Yield the rules of one permission.

    :param origin: what each is to name as its source
    :param roles: those that may be assigned, by name
    """

    def allow(sender: str, target: str, types: tuple[str, ...] = ()) -> Rule:
        return Rule("allow", sender, target, types, origin)

    match permission:
        case Allow(senders=senders, targets=targets, types=types):
            yield from (allow(a, b, tuple(types)) for a in senders for b in targets)
        case AllowBidirectional(agents=agents):
            yield from (allow(a, b) for a in agents for b in agents if a != b)
        case AllowNetwork(agents=agents, bidirectional=True):
            yield from (allow(a, b) for a in agents for b in agents if a != b)
        case AllowNetwork(agents=agents):
            yield from (allow(a, b) for a, b in pairwise(agents))
        case AllowBroadcast(sender=sender, targets=targets):
            yield from (allow(sender, b) for b in targets)
        case AllowWildcard(agent=agent):
            yield allow(agent, "*")
        case Block(senders=senders, targets=targets):
            yield from (Rule("block", a, b, (), origin) for a in senders for b in targets)
        case Assign(agents=agents, role=role):
            for pattern in agents:
                yield Rule("role", pattern, role, (), origin)
                for permitted in roles[role].permissions:
                    yield Rule("allow", pattern, permitted.removeprefix(_SEND), (), f"{origin} {role}")
        case Role():
            return
