"""Does what was accepted get on, or does it pile up somewhere?"""

from collections.abc import Iterable

from redis.exceptions import ResponseError

from mas.audit import Trail
from mas.cli.doctor.finding import Finding, fail, ok, warn
from mas.cli.doctor.patient import Patient
from mas.ids import AgentId, InstanceId, is_valid
from mas.keys import AGENT_GROUP
from mas.redis import Reply

_HIGH = 0.8  # of a bound, from which on it is time to look
_SOON = 5.0  # seconds that a message may wait for a gateway without anything being wrong
_LAPSED = 2.0  # leases after which nobody looks after a message any more
_MOST = 100  # messages looked for in one stream


async def unsealed(patient: Patient) -> Finding:
    """Compare the records that wait for their seal with the cap at which nothing is committed any more."""
    redis, keys = patient.redis, patient.keys
    length = redis.post("XLEN", keys.audit_messages)
    sealed = await redis.call("HGET", keys.audit_sealed, Trail.MESSAGES)
    count, cap = await length.result() - int(sealed or 0), patient.settings.gateway.audit.max_unsealed
    said = f"{count:,} of at most {cap:,}"
    mend = "run a sealer, which is part of every gateway, and see its log"
    if count >= cap:
        return fail(f"{said}: gateways commit nothing", mend)
    return warn(said, mend) if count >= _HIGH * cap else ok(said)


async def ingress(patient: Patient) -> Finding:
    """Say how many messages wait for a gateway, and since when."""
    redis, keys = patient.redis, patient.keys
    streams = [keys.ingress]
    own = await redis.call("SUNION", keys.outsiders, keys.confined)
    streams += [keys.ingress_of(agent) for agent in _valid(own)]
    seconds, _ = await redis.call("TIME")
    lengths = [redis.post("XLEN", stream) for stream in streams]
    firsts = [redis.post("XRANGE", stream, "-", "+", "COUNT", 1) for stream in streams]
    count = sum([await each.result() for each in lengths])
    begun = [int(first[0][0].partition(b"-")[0]) / 1000 for each in firsts if (first := await each.result())]
    if not begun:
        return ok("nothing waits for a gateway")
    waited, most = max(0.0, int(seconds) - min(begun)), patient.settings.gateway.delivery.ingress_retention
    said = f"{count:,} wait for a gateway, one for {waited:,.0f} s; after {most:g} s they are dead letters"
    mend = "run a gateway, or more of them: mas run --only gateway"
    if waited > most / 2:
        return fail(said, mend)
    return warn(said, mend) if waited > _SOON else ok(said)


async def mail(patient: Patient) -> Finding:
    """Compare what waits for each agent with the bound at which its senders are refused."""
    redis, keys = patient.redis, patient.keys
    most = patient.settings.gateway.delivery.max_backlog
    asked = [(agent, redis.post("XLEN", keys.stream(agent))) for agent in await _agents(patient)]
    waiting = {agent: count for agent, reply in asked if (count := await reply.result())}
    high = {agent: count for agent, count in waiting.items() if count >= _HIGH * most}
    if high:
        said = ", ".join(f"{count:,} for {agent}" for agent, count in high.items())
        mend = "run more instances of it, or find what keeps it: mas ps"
        full = any(count >= most for count in high.values())
        said = f"{said}, of at most {most:,}" + (": senders are refused" if full else "")
        return fail(said, mend) if full else warn(said, mend)
    if not waiting:
        return ok("nothing waits for an agent")
    # A group that is there tells something even of nothing pending.
    groups = [(agent, redis.post("XPENDING", keys.stream(agent), AGENT_GROUP)) for agent in waiting]
    if lost := [agent for agent, reply in groups if await _length(reply) == 0]:
        return warn(
            f"what waits for {', '.join(lost)} cannot be read: the stream has no group {AGENT_GROUP}",
            "start or restart an instance of it, which makes the group; nothing is lost",
        )
    return ok(f"{sum(waiting.values()):,} wait for {len(waiting)} agents; each may have {most:,}")


async def leases(patient: Patient) -> Finding:
    """Find messages whose receiver fell silent, and that nobody has taken over."""
    redis, keys = patient.redis, patient.keys
    idle = int(_LAPSED * patient.settings.gateway.delivery.lease * 1000)
    streams: list[tuple[AgentId, str]] = []
    for agent in await _agents(patient):
        streams.append((agent, keys.stream(agent)))
        members = _valid(await redis.call("SMEMBERS", keys.instances(agent)))
        streams += [(agent, keys.instance_stream(agent, InstanceId(each))) for each in members]
    asked = [
        (agent, redis.post("XPENDING", stream, AGENT_GROUP, "IDLE", idle, "-", "+", _MOST))
        for agent, stream in streams
    ]
    lapsed: dict[AgentId, int] = {}
    for agent, reply in asked:
        if count := await _length(reply):
            lapsed[agent] = lapsed.get(agent, 0) + count
    if lapsed:
        said = ", ".join(f"{count} of {agent}" for agent, count in lapsed.items())
        return warn(
            f"receivers fell silent over {said}",
            "start an instance of it, which takes them over",
        )
    return ok("no receiver fell silent over a message")


async def dead_letters(patient: Patient) -> Finding:
    """Compare the dead letters with the bound at which they are archived."""
    count = await patient.redis.call("XLEN", patient.keys.dead_letters)
    most = patient.settings.gateway.dead_letters.max_letters
    said = f"{count:,} of at most {most:,}"
    if count > most:
        return fail(f"{said}: nobody archives them", "run a gateway, and see that its archive can be written")
    if count >= _HIGH * most:
        return warn(said, "mas dlq list, then redrive or purge; the oldest are archived soon")
    return ok(f"{said}{'; mas dlq list shows them' if count else ''}")


async def _agents(patient: Patient) -> list[AgentId]:
    return _valid(await patient.redis.call("SMEMBERS", patient.keys.agents))


def _valid(names: Iterable[bytes]) -> list[AgentId]:
    return sorted(AgentId(name) for each in names if is_valid(name := each.decode("utf-8", "replace")))


async def _length(reply: Reply) -> int:
    try:
        return len(await reply.result())
    except ResponseError as error:
        # A stream, or a group, that nobody has needed yet.
        if "NOGROUP" in str(error):
            return 0
        raise
