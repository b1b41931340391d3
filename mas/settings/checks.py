"""What must hold between settings, beyond each one's own type and bounds."""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase

from mas.ids import AgentId
from mas.settings import trees
from mas.settings.contradiction import contradicted
from mas.settings.fields import nearest
from mas.settings.misfit import Problem
from mas.settings.model import Settings
from mas.settings.permissions import Assign, Role, agents_named


def problems(settings: Settings) -> Iterator[Problem]:
    """Yield every contradiction that makes settings unusable."""
    if not settings.start_gateway:
        yield Problem(
            ("start_gateway",),
            "the gateway is required: agents have no other way to talk",
            "leave it true; where gateways run elsewhere, use mas run --only agents",
        )
    seen: dict[str, int] = {}
    for place, agent in enumerate(settings.agents):
        if agent.agent_id in seen:
            yield Problem(
                ("agents", place, "agent_id"),
                f"{agent.agent_id} is already agents[{seen[agent.agent_id]}]",
                "for several of one kind use instances: N",
            )
        seen.setdefault(agent.agent_id, place)
    yield from _seats(settings)
    yield from trees.problems(settings.supervisors, settings.agents)
    yield from _processes(settings)
    yield from _roles(settings)
    for place, problem in contradicted(settings.permissions).items():
        yield Problem(("permissions", place), problem, "keep one of the two")
    yield from _pairs(settings)
    yield from _redis(settings)
    yield from _tokens(settings)
    yield from _ops(settings)


def warnings(settings: Settings) -> Iterator[Problem]:
    """Yield what may be meant, but is more often a slip."""
    known = [agent.agent_id for agent in settings.agents]
    for place, permission in enumerate(settings.permissions):
        for name in agents_named(permission):
            if not any(fnmatchcase(agent, name) for agent in known):
                hint = nearest(name, known)
                yield Problem(
                    ("permissions", place),
                    f"names {name}, which no agent here has as its id; it may run elsewhere",
                    hint if hint.startswith("did") else "",
                )
    ops = settings.ops
    if ops.port is not None and not ops.leads_here and ops.tls_certificate is None:
        yield Problem(
            ("ops", "host"),
            "others on the network can read the token and what it opens",
            "set tls_certificate and tls_key, or let only a proxy with TLS reach it",
        )
    limits = settings.gateway.rate_limit
    for section, names in (("overrides", limits.overrides), ("pairs", limits.pairs)):
        for name in names:
            if not set(name.split(" -> ")) <= set(known):
                yield Problem(
                    ("gateway", "rate_limit", section, name),
                    "no agent here has this id; it may run elsewhere",
                )


def _seats(settings: Settings) -> Iterator[Problem]:
    """Refuse an agent that is called as an instance of another one is."""
    names = {agent.agent_id: place for place, agent in enumerate(settings.agents)}
    for place, agent in enumerate(settings.agents):
        for seat in agent.seats if agent.instances > 1 else ():
            if (other := names.get(AgentId(seat))) is not None:
                yield Problem(
                    ("agents", other, "agent_id"),
                    f"{seat} is what an instance of agents[{place}] is called",
                    "choose another id",
                )


def _processes(settings: Settings) -> Iterator[Problem]:
    """Refuse arguments that would not reach another process as they are."""
    for place, agent in enumerate(settings.agents):
        if agent.process and not _travels(agent.init_kwargs):
            yield Problem(
                ("agents", place, "init_kwargs"),
                "holds more than text, numbers, true, false, null, lists and mappings with text as keys",
                "only those reach an agent with process: true",
            )


def _travels(value: object) -> bool:
    """Say whether a value is the same again after a journey as JSON; never quotes it."""
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError, RecursionError):
        return False


def _roles(settings: Settings) -> Iterator[Problem]:
    roles: dict[str, int] = {}
    for place, permission in enumerate(settings.permissions):
        if isinstance(permission, Role):
            if permission.role in roles:
                yield Problem(
                    ("permissions", place, "role"),
                    f"role {permission.role} is already permissions[{roles[permission.role]}]",
                )
            roles.setdefault(permission.role, place)
    for place, permission in enumerate(settings.permissions):
        if isinstance(permission, Assign) and permission.role not in roles:
            yield Problem(
                ("permissions", place, "role"),
                f"there is no role {permission.role}",
                nearest(permission.role, roles) or "define it with type: role",
            )


def _pairs(settings: Settings) -> Iterator[Problem]:
    """Yield pairs without any limit: there is no general one that they could keep."""
    for name, limit in settings.gateway.rate_limit.pairs.items():
        if limit.per_minute is None and limit.per_hour is None:
            yield Problem(
                ("gateway", "rate_limit", "pairs", name), "it limits nothing", "set per_minute or per_hour"
            )


def _redis(settings: Settings) -> Iterator[Problem]:
    service, gateway = settings.service_redis_url, settings.gateway.redis.url
    if service and gateway and service != gateway:
        yield Problem(
            ("gateway", "redis", "url"),
            "differs from service_redis_url, but registry, gateway and agents share one Redis",
            "keep one of the two",
        )
    for path, url in ((("service_redis_url",), service), (("gateway", "redis", "url"), gateway)):
        if url and url.crosses_network_in_clear and not settings.gateway.redis.allow_plaintext:
            yield Problem(
                path,
                f"leads to another machine without TLS: {url}",
                "use rediss://, or set redis.allow_plaintext: true in gateway.yaml",
            )


def _tokens(settings: Settings) -> Iterator[Problem]:
    """Yield when a rotated token could be needed longer than one rotation keeps it."""
    lifetime = settings.gateway.authentication.token_lifetime
    in_flight = settings.gateway.longest_in_flight
    if lifetime < 2 * in_flight:
        yield Problem(
            ("gateway", "authentication", "token_lifetime"),
            f"{lifetime:g} s is less than twice the {in_flight:g} s that a submission may be under way",
            "lengthen it, or shorten delivery.ingress_retention",
        )


def _ops(settings: Settings) -> Iterator[Problem]:
    """Yield what would show this process to strangers, and what contradicts itself."""
    ops = settings.ops
    if ops.port is not None and not ops.leads_here and not ops.guarded:
        yield Problem(
            ("ops", "host"),
            f"{ops.host} may be reached from other machines, and no token is set",
            "set ops.token_file or MAS_OPS__TOKEN, or listen at 127.0.0.1",
        )
    if ops.token is not None and ops.token_file is not None:
        yield Problem(("ops", "token_file"), "ops.token is set as well", "keep one of the two")
    if (ops.tls_certificate is None) != (ops.tls_key is None):
        yield Problem(("ops",), "tls_certificate and tls_key come only together", "set both or neither")
