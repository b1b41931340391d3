"""What the Redis user of one instance may do: its own streams, state and sign of life.

Selectors (Redis 7) tie commands to keys: it appends to its ingress stream only, reads and settles its
deliveries only. XADD's MAXLEN and explicit ids cannot be forbidden, which is why that stream is its own.
No scripts, no groups, nobody else's key.
"""

import hashlib
from collections.abc import Iterable

from mas.ids import AgentId, InstanceId
from mas.keys import Keys

_DELIVERIES = ("xreadgroup", "xack", "xdel", "xclaim", "xautoclaim", "xpending", "xrange")
_STATE = ("hgetall", "hset", "hincrby", "del")
_ANYWHERE = ("ping", "time", "subscribe", "unsubscribe")


def rights(
    keys: Keys,
    agent: AgentId,
    instance: InstanceId,
    passwords: Iterable[str],
    *,
    database: int = 0,
    beats: bool = True,
) -> tuple[str, ...]:
    """Return the rules of ACL SETUSER for one instance, complete: what is not here, it may not do.

    :param passwords: the one in force, and the one before it while that still holds
    :param beats: whether it gives its own sign of life
    """
    selector = f"select|{database}"
    return (
        "reset",
        "on",
        *(f"#{hashlib.sha256(password.encode()).hexdigest()}" for password in passwords),
        f"&{keys.ring(agent)}",
        *_allow(*_ANYWHERE, *([selector] if database else [])),
        _selector([f"%W~{keys.ingress_of(agent)}"], "xadd"),
        _selector([f"~{keys.stream(agent)}", f"~{keys.instance_stream(agent, instance)}"], *_DELIVERIES),
        _selector([f"~{keys.state(agent)}"], *_STATE),
        *([_selector([f"%W~{keys.heartbeat(agent, instance)}"], "set")] if beats else []),
    )


def _allow(*commands: str) -> tuple[str, ...]:
    return tuple(f"+{command}" for command in commands)


def _selector(patterns: Iterable[str], *commands: str) -> str:
    return f"({' '.join((*patterns, *_allow(*commands)))})"
