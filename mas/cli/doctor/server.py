"""Can Redis be reached, is the way there safe, and does it keep what it accepts?"""

from typing import Final

from redis.exceptions import NoPermissionError

from mas.cli.doctor.files import size
from mas.cli.doctor.finding import CannotLook, Finding, fail, ok, warn
from mas.cli.doctor.patient import Patient
from mas.cli.exits import REFUSED
from mas.ids import AgentId
from mas.keys import AGENT_GROUP
from mas.redis.loopback import is_loopback
from mas.registry.redis_users import default_user_is_open

_FULL: Final = 0.9  # of what there is
_DRIFT: Final = 0.1  # of what is allowed, from which on it is time to look
_CROWDED: Final = 0.9


def reachable(patient: Patient) -> Finding:
    """Say what answers, or why nothing does."""
    if patient.trouble is not None:
        raise patient.trouble
    if patient.left_behind:
        said = "embedded; it ended without time to clear up, and does not run now"
        return warn(said, "mas run takes up what it has kept")
    if patient.idle:
        return ok("embedded; does not run now, for no system does")
    return ok(f"{patient.redis.server_version} at {patient.redis.endpoint}")


def way(patient: Patient) -> Finding:
    """See whether anybody can listen on the way to Redis, or pose as it."""
    url, place = patient.settings.redis_url, patient.endpoint
    if place.path:
        return ok("a unix socket, on this machine")
    if place.tls is not None:
        if place.tls.cert_reqs.name != "CERT_REQUIRED" or not place.tls.check_hostname:
            return warn(
                "TLS, but anybody may pose as the server: its certificate is not checked",
                "leave ssl_cert_reqs and ssl_check_hostname out of the URL, and name ssl_ca_certs",
            )
        return ok("TLS, and the server's certificate is checked")
    if url is not None and url.crosses_network_in_clear:
        return warn(
            "without TLS to another machine: payloads and the password can be read on the way",
            "use rediss://, and take redis.allow_plaintext out of gateway.yaml",
        )
    return ok("without TLS, and does not leave this machine")


async def password(patient: Patient) -> Finding:
    """See whether Redis asks who comes."""
    redis, keys = patient.redis, patient.keys
    if not await default_user_is_open(redis):
        return ok("Redis asks for a password")
    mend = "set requirepass, or ACL SETUSER default, in Redis, and the password in the URL"
    if await redis.call("EXISTS", keys.outsiders):
        return fail("Redis asks for none, so that agents that run elsewhere are not let in", mend)
    if (await patient.info()).get("tcp_port") == "0":
        return ok("none is needed: Redis listens on a unix socket only")
    bound = (await patient.server_setting("bind")).split()
    reached = not bound or not all(is_loopback(each.lstrip("-")) for each in bound)
    if reached and await patient.server_setting("protected-mode") == "no":
        return fail("Redis asks for none, and other machines reach it: anybody may do everything", mend)
    return warn("Redis asks for none: whoever can open a connection may do everything", mend)


async def accounts(patient: Patient) -> Finding:
    """See whether agents in processes of their own, or elsewhere, can have Redis users of their own."""
    redis, keys = patient.redis, patient.keys
    apart = sorted(agent.agent_id for agent in patient.settings.agents if agent.process)
    if not apart and not await redis.call("EXISTS", keys.outsiders):
        return ok("none is needed: no agent has a process of its own, or runs elsewhere")
    said = f"not for {', '.join(apart) or 'agents elsewhere'}: whoever takes one over has all of Redis"
    try:
        if await default_user_is_open(redis):
            return warn(said, "give Redis' default user a password: requirepass in redis.conf")
        who = await redis.call("ACL", "WHOAMI")
        allowed = await redis.call("ACL", "DRYRUN", who, "ACL", "SETUSER", "any") == b"OK"
    except NoPermissionError:
        allowed = False
    if not allowed:
        return warn(said, "let MAS's own Redis user use ACL commands: +acl")
    return ok("each agent in a process of its own, or elsewhere, has one")


async def rights(patient: Patient) -> Finding:
    """Ask Redis whether our user may do what a run does; nothing of it is done."""
    redis, keys = patient.redis, patient.keys
    who = (await redis.call("ACL", "WHOAMI")).decode("utf-8", "replace")
    stream, group = keys.stream(AgentId("any")), AGENT_GROUP
    needed: tuple[tuple[str, ...], ...] = (
        ("SCRIPT", "LOAD", "return 1"),
        ("EVALSHA", "0" * 40, "1", keys.policy),
        ("XADD", keys.ingress, "*", "field", "value"),
        ("XREADGROUP", "GROUP", group, "any", "STREAMS", stream, ">"),
        ("XAUTOCLAIM", stream, group, "any", "0", "0"),
        ("SET", keys.runner("any"), "value", "PX", "1000"),
        ("HSET", keys.state(AgentId("any")), "field", "value"),
        ("PUBLISH", keys.system, "value"),
        ("SUBSCRIBE", keys.ring(AgentId("any"))),
    )
    asked = [(command[0], redis.post("ACL", "DRYRUN", who, *command)) for command in needed]
    refused = [name for name, reply in asked if await reply.result() != b"OK"]
    if refused:
        return fail(
            f"Redis' user {who} may not do what a run does: {', '.join(refused)}",
            f"ACL SETUSER {who} +@all ~{keys.prefix}* &{keys.prefix}*",
            exit_code=REFUSED,
        )
    return ok(f"Redis' user {who} may do what a run does")


async def memory(patient: Patient) -> Finding:
    """Compare what is used with what there is."""
    info = await patient.info()
    used, limit, there = (int(info.get(n, 0)) for n in ("used_memory", "maxmemory", "total_system_memory"))
    most = limit or there
    said = f"{size(used)} of {size(most)}" + (
        "" if limit else ", all that the machine has: no maxmemory is set"
    )
    if not most or used < _FULL * most:
        return ok(said)
    mend = "raise maxmemory, or find what fills it: redis-cli --bigkeys, mas dlq list"
    if limit and used >= limit:
        refuses = info.get("maxmemory_policy") == "noeviction"
        return fail(f"{said}: Redis {'refuses what is sent' if refuses else 'throws away what it has'}", mend)
    return warn(said, mend)


async def clock(patient: Patient) -> Finding:
    """Compare this machine's clock with that of Redis, by which messages are judged."""
    before = patient.clock.wall()
    seconds, micros = await patient.redis.call("TIME")
    after = patient.clock.wall()
    off = int(seconds) + int(micros) / 1e6 - (before + after) / 2
    allowed = patient.settings.gateway.message_signing.max_drift
    said = f"{abs(off):,.1f} s {'behind' if off > 0 else 'ahead of'} that of Redis; {allowed:g} s are allowed"
    mend = "keep both machines' clocks right, with chrony or systemd-timesyncd"
    if abs(off) > allowed:
        return fail(f"{said}: what is sent from here is refused", mend)
    return warn(said, mend) if abs(off) > _DRIFT * allowed else ok(said)


async def connections(patient: Patient) -> Finding:
    """Compare the connections that Redis has with those it takes."""
    info = await patient.info()
    if "maxclients" not in info:
        raise CannotLook("Redis does not tell how many it takes")
    here, most = int(info["connected_clients"]), int(info["maxclients"])
    said = f"{here:,} of at most {most:,}"
    return (
        warn(said, "CONFIG SET maxclients, and the open files of Redis")
        if here >= _CROWDED * most
        else ok(said)
    )
