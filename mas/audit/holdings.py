"""How much of a trail there is: recorded, sealed, kept in Redis, kept in archives."""

from typing import Any

from mas.audit import chain
from mas.audit.archive import holes, listed
from mas.audit.author import signer_after
from mas.audit.door import View
from mas.audit.entry import order
from mas.audit.seal import sealed_of
from mas.audit.source import read_after
from mas.audit.trails import Trail
from mas.threads import in_thread


async def holdings(view: View) -> dict[str, Any]:
    """Return figures of each trail, of the seals and the archives; times in seconds since the epoch.

    `missing` are runs of seals that Redis no longer holds, and no archive of this machine either.
    """
    redis, keys = view.redis, view.keys
    tip = await chain.tip(redis, keys)
    ends = tip.link.seal.state.ends if tip.link else {}
    told: dict[str, Any] = {}
    for trail in Trail:
        stream = trail.stream(keys)
        unsealed = 0
        async for page in read_after(redis, keys, trail, ends.get(trail, "0-0")):
            unsealed += len(page)
        oldest = await redis.call("XRANGE", stream, "-", "+", "COUNT", 1)
        newest = await redis.call("XREVRANGE", stream, "+", "-", "COUNT", 1)
        told[trail] = {
            "records": await redis.call("XLEN", stream),
            "unsealed": unsealed,
            "oldest": order(oldest[0][0])[0] / 1000 if oldest else None,
            "newest": order(newest[0][0])[0] / 1000 if newest else None,
            "bytes": await redis.call("MEMORY", "USAGE", stream, "SAMPLES", 100) or 0,
        }
    told["seals"] = {
        "kept": await redis.call("XLEN", keys.audit_seals),
        "last": tip.link.seal.sequence if tip.link else 0,
        "at": tip.link.seal.at if tip.link else None,
        "key": signer_after(tip.link.seal) if tip.link else None,
        "bytes": await redis.call("MEMORY", "USAGE", keys.audit_seals, "SAMPLES", 100) or 0,
    }
    archives = await in_thread(listed, view.archive)
    oldest = await redis.call("XRANGE", keys.audit_seals, "-", "+", "COUNT", 1)
    first = sealed_of(oldest[0]) if oldest else None
    told["archives"] = {
        "kept": len(archives),
        "bytes": sum(each.size for each in archives),
        "missing": holes(archives, 1, first.seal.sequence - 1) if first else [],
    }
    return told
