"""`mas check`: what a configuration says, found out as `mas run` would but without starting anything."""

import os
from pathlib import Path

import msgspec

from mas.clock import SYSTEM
from mas.redis.binary import find_server
from mas.settings import Settings, deployment_secret, explain, load
from mas.settings.deployment import NAME as SECRET_NAME
from mas.settings.deployment import to_be_made
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
from mas.system import ALL, Seat, System


class AgentFound(msgspec.Struct, frozen=True):
    """An agent as it would run."""

    agent_id: str
    class_path: str
    instances: int
    handles: tuple[str, ...]
    capabilities: tuple[str, ...]


class SettingFound(msgspec.Struct, frozen=True):
    """One setting, its value as shown, and where that was written."""

    key: str
    value: str
    origin: str


class Report(msgspec.Struct, frozen=True):
    """What a configuration holds.

    :param redis: the server it leads to, without its password
    :param off: features that are switched off
    :param settings: only where asked for
    """

    files: tuple[str, ...]
    redis: str
    secret: str
    agents: tuple[AgentFound, ...]
    permissions: tuple[str, ...]
    off: tuple[str, ...]
    warnings: tuple[str, ...]
    settings: tuple[SettingFound, ...] = ()


def examine(config: Path | None, *, verbose: bool) -> Report:
    """Read a configuration, import and make its agents, and report.

    :param config: agents.yaml, or None to search for it
    :param verbose: report every setting
    :raises ConfigurationError: if `mas run` could not start with it
    """
    settings = load(config)
    secret = _secret(settings)
    # Made with a secret of no worth: nothing that it makes is ever shown to anyone.
    system = System(settings, ALL, b"only to see whether it can be made", SYSTEM, {})
    seats = {seat.spec.agent_id: seat for seat in system.seats}
    return Report(
        files=tuple(map(str, settings.sources)),
        redis=_redis(settings, system),
        secret=secret,
        agents=tuple(map(_agent, seats.values())),
        permissions=tuple(map(sentence, settings.permissions)),
        off=settings.gateway.switched_off,
        warnings=settings.warnings,
        settings=tuple(SettingFound(*each) for each in explain(settings)) if verbose else (),
    )


def sentence(permission: Permission) -> str:
    """Return what a permission says."""
    match permission:
        case Allow(senders=senders, targets=targets, types=types):
            return f"{_all(senders)} -> {_all(targets)}{f', only {_all(types)}' if types else ''}"
        case AllowBidirectional(agents=agents):
            return " <-> ".join(agents)
        case AllowNetwork(agents=agents, bidirectional=True):
            return f"{_all(agents)}: all to all"
        case AllowNetwork(agents=agents):
            return " -> ".join(agents)
        case AllowBroadcast(sender=sender, targets=targets):
            return f"{sender} -> {_all(targets)}"
        case AllowWildcard(agent=agent):
            return f"{agent} -> everyone"
        case Block(senders=senders, targets=targets):
            return f"{_all(senders)} -> {_all(targets)} blocked, whatever else is granted"
        case Role(role=role, permissions=permissions):
            return f"role {role} may {_all(permissions)}"
        case Assign(agents=agents, role=role):
            return f"{_all(agents)}: role {role}"


def _all(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _agent(seat: Seat) -> AgentFound:
    agent = seat.make()
    spec = seat.spec
    return AgentFound(
        spec.agent_id,
        spec.class_path,
        spec.instances,
        tuple(sorted(type(agent).handlers)),
        tuple(map(str, agent.capabilities)),
    )


def _redis(settings: Settings, system: System) -> str:
    if settings.redis_url is None:
        return f"embedded: {find_server()}, data in {settings.data_dir}"
    return str(system.redis.endpoint)


def _secret(settings: Settings) -> str:
    """Say where the secret is from; one that is there already must be usable."""
    if (made := to_be_made(settings)) is not None:
        return f"will be generated in {made}"
    deployment_secret(settings)
    path = settings.secret_file or settings.data_dir / SECRET_NAME
    return "MAS_SECRET" if "MAS_SECRET" in os.environ else str(path)
