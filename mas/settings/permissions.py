"""Who may talk to whom, as written under `permissions:`; one class for each `type`.

Plain data: what each kind grants is worked out where grants are kept. A block wins over every
grant, whatever their order. Keys of earlier releases (sender, targets, receivers, agent_id) are
accepted beside `from`, `to` and `agent`.
"""

from collections.abc import Iterable
from typing import Annotated, ClassVar

from attrs import field, frozen

from mas.ids import AgentId
from mas.settings.fields import ID, Matching, Members, by_type, spelled

MESSAGE_TYPE = Matching(
    r"[A-Za-z0-9_*][A-Za-z0-9_.:/*-]{0,127}",
    "a message type: 1 to 128 letters, digits, '_', '.', ':', '/' or '-', '*' for any",
)
SEND_PATTERN = Matching(
    r"send:[A-Za-z0-9*][A-Za-z0-9_.*-]{0,127}", "a permission: send:ID, with '*' for any characters"
)
ID_PATTERN = Matching(r"[A-Za-z0-9*][A-Za-z0-9_.*-]{0,127}", "an agent id, with '*' for any characters")

Ids = Annotated[tuple[AgentId, ...], Members()]
MessageTypes = tuple[Annotated[str, MESSAGE_TYPE], ...]


@frozen(kw_only=True, field_transformer=by_type)
class Allow:
    """Each of `from` may message each of `to`; with `types`, only messages of these types."""

    type: ClassVar = "allow"
    senders: Ids = field(metadata=spelled("from", "sender"))
    targets: Ids = field(metadata=spelled("to", "targets"))
    types: MessageTypes = ()


@frozen(kw_only=True, field_transformer=by_type)
class AllowBidirectional:
    """Two agents may message each other."""

    type: ClassVar = "allow_bidirectional"
    agents: Annotated[tuple[AgentId, ...], Members(2, 2)]


@frozen(kw_only=True, field_transformer=by_type)
class AllowNetwork:
    """All may message all; with `bidirectional: false` each only the next in the list."""

    type: ClassVar = "allow_network"
    agents: Annotated[tuple[AgentId, ...], Members(2)]
    bidirectional: bool = True


@frozen(kw_only=True, field_transformer=by_type)
class AllowBroadcast:
    """One agent may message several, which may not answer unasked."""

    type: ClassVar = "allow_broadcast"
    sender: AgentId = field(metadata=spelled("from"))
    targets: Ids = field(metadata=spelled("to", "receivers"))


@frozen(kw_only=True, field_transformer=by_type)
class AllowWildcard:
    """One agent may message everyone."""

    type: ClassVar = "allow_wildcard"
    agent: AgentId = field(metadata=spelled("agent", "agent_id", "from"))


@frozen(kw_only=True, field_transformer=by_type)
class Block:
    """None of `from` may message any of `to`, whatever else is granted."""

    type: ClassVar = "block"
    senders: Ids = field(metadata=spelled("from", "sender"))
    targets: Ids = field(metadata=spelled("to", "targets"))


@frozen(kw_only=True, field_transformer=by_type)
class Role:
    """A named set of permissions, such as `send:patient*`."""

    type: ClassVar = "role"
    role: Annotated[str, ID]
    permissions: Annotated[tuple[Annotated[str, SEND_PATTERN], ...], Members()]


@frozen(kw_only=True, field_transformer=by_type)
class Assign:
    """Agents, by id or pattern, that hold a role."""

    type: ClassVar = "assign"
    agents: Annotated[tuple[Annotated[str, ID_PATTERN], ...], Members()] = field(
        metadata=spelled("agents", "agent")
    )
    role: Annotated[str, ID]


Permission = (
    Allow | AllowBidirectional | AllowNetwork | AllowBroadcast | AllowWildcard | Block | Role | Assign
)

KINDS: dict[str, type[Permission]] = {
    kind.type: kind
    for kind in (Allow, AllowBidirectional, AllowNetwork, AllowBroadcast, AllowWildcard, Block, Role, Assign)
}


def roles_in(permissions: Iterable[Permission]) -> dict[str, Role]:
    """Return the roles that are defined, by name."""
    return {permission.role: permission for permission in permissions if isinstance(permission, Role)}


def agents_named(permission: Permission) -> tuple[str, ...]:
    """Return the ids and id patterns that a permission names."""
    match permission:
        case Allow(senders=senders, targets=targets) | Block(senders=senders, targets=targets):
            return (*senders, *targets)
        case AllowBroadcast(sender=sender, targets=targets):
            return (sender, *targets)
        case AllowWildcard(agent=agent):
            return (agent,)
        case AllowBidirectional(agents=agents) | AllowNetwork(agents=agents):
            return agents
        case Assign(agents=patterns):
            return patterns
        case Role():
            return ()
