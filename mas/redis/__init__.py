"""Redis over anyio: one shared connection that never shifts an answer, and a server that needs no setup.

Read downward: `endpoint` says where (`loopback`: is that this machine), `dial` opens a stream, `handshake`
makes it ready (`sentinel` finds the master), `line` moves bytes, `pipeline` pairs answers with `reply`s,
`link` reconnects (after a `backoff`); `client` (with redis-py's `commands`, and `script`s) and `subscriber`
are what others use, `lease` says who may do what only one may. `refusal` tells a no from an absence.
`embedded` runs a server of our own, found by `binary`, in a `datadir`, under a `guard`.
"""

from mas.redis.binary import find_server
from mas.redis.client import Redis, open_redis
from mas.redis.embedded import EmbeddedServer
from mas.redis.endpoint import Endpoint, Tls
from mas.redis.lease import Lease
from mas.redis.link import Link
from mas.redis.refusal import RedisRefused
from mas.redis.reply import Reply
from mas.redis.script import Script
from mas.redis.subscriber import Subscriber, open_subscriber

__all__ = [
    "EmbeddedServer",
    "Endpoint",
    "Lease",
    "Link",
    "Redis",
    "RedisRefused",
    "Reply",
    "Script",
    "Subscriber",
    "Tls",
    "find_server",
    "open_redis",
    "open_subscriber",
]
