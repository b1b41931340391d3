"""What does Redis keep of what it accepted, whatever happens?"""

from redis.exceptions import ResponseError

from mas.cli.doctor.finding import Finding, fail, ok, warn
from mas.cli.doctor.patient import Patient

_LAG = 10  # seconds a replica may be behind
_APPEND = "CONFIG SET appendonly yes, then CONFIG REWRITE"


async def eviction(patient: Patient) -> Finding:
    """See whether Redis would throw accepted mail away to make room."""
    policy = (await patient.info())["maxmemory_policy"]
    if policy == "noeviction":
        return ok("none: when memory is full, Redis refuses and forgets nothing")
    return fail(
        f"maxmemory-policy is {policy}: when memory is full, Redis throws accepted mail or tokens away",
        "CONFIG SET maxmemory-policy noeviction, then CONFIG REWRITE",
    )


async def persistence(patient: Patient) -> Finding:
    """Say what a crash of Redis would cost."""
    if (await patient.info()).get("aof_enabled") != "1":
        try:
            snapshots = bool(await patient.server_setting("save"))
        except ResponseError:
            snapshots = False
        lost = "what came since the last snapshot" if snapshots else "all mail, all state and the audit trail"
        return warn(f"appendonly is no: when Redis crashes, {lost} is lost", _APPEND)
    match await patient.server_setting("appendfsync"):
        case "always":
            return ok("append-only, always: nothing accepted is lost in a crash of Redis or its machine")
        case "everysec":
            return ok("append-only, everysec: a crash may cost what was accepted within the last second")
        case often:
            return warn(
                f"append-only, but appendfsync is {often}: a crash of its machine may cost half a minute",
                "CONFIG SET appendfsync everysec, or always, then CONFIG REWRITE",
            )


async def writes(patient: Patient) -> Finding:
    """See whether what Redis wrote to its disk last has got there."""
    info = await patient.info()
    names = ("rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status")
    failed = [name for name in names if info.get(name, "ok") != "ok"]
    if failed:
        mend = "see Redis' own log, and the room and rights of its directory"
        return fail(f"Redis could not write to its disk: {', '.join(failed)}", mend)
    return ok("the last ones succeeded")


async def failover(patient: Patient) -> Finding:
    """See whether another server could take over, and what that would cost."""
    info = await patient.info()
    replicas = [_facts(value) for name, value in info.items() if name.startswith("slave") and "ip=" in value]
    watched = bool(patient.endpoint.sentinels)
    if not replicas:
        if watched:
            return warn("Sentinels watch a server without a replica to take over", "give it one: REPLICAOF")
        return ok("a single server: while it is away, what is sent waits or is refused")
    late = [r for r in replicas if r.get("state") != "online" or int(r.get("lag", 0)) > _LAG]
    if late:
        which = ", ".join(f"{r.get('ip')}:{r.get('port')}" for r in late)
        return warn(f"replicas are behind: {which}", "see their logs, and the network between")
    if watched and await patient.server_setting("min-replicas-to-write") == "0":
        return warn(
            f"{len(replicas)} replicas, but a master that lost them goes on accepting what a failover loses",
            "CONFIG SET min-replicas-to-write 1, on every server",
        )
    return ok(f"{len(replicas)} replicas; one that takes over lacks at most what was still under way to it")


def _facts(line: str) -> dict[str, str]:
    return {name: value for name, _, value in (each.partition("=") for each in line.split(","))}
