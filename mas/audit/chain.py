"""The chain in Redis: its last link, and the one way to append another.

A link is appended only if the last one is the one it was made for. So two sealers that both believe in
their lease, or one that woke up late, cannot fork the chain.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from mas.audit.seal import KeySeal, Sealed, Signed, sealed_of
from mas.audit.signing import PublicKeys
from mas.audit.trails import Trail
from mas.keys import Keys
from mas.redis import Redis, Script

_PAGE: Final = 200  # links read at once on the way back
_PAGES: Final = 50

APPEND = Script(
    "append a seal",
    # KEYS: seals, sealed.  ARGV: signature of the last seal or empty, seal, signature, trail or empty,
    # records newly sealed.  Returns false if another seal is the last one. Also where memory is short: what
    # is not sealed is not archived, and so makes no room.
    """#!lua flags=allow-oom
    local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
    if (last and last[2][4] or '') ~= ARGV[1] then return false end
    local id = redis.call('XADD', KEYS[1], '*', 'seal', ARGV[2], 'signature', ARGV[3])
    if ARGV[4] ~= '' then redis.call('HINCRBY', KEYS[2], ARGV[4], ARGV[5]) end
    return id
    """,
)

TRIM = Script(
    "seal and trim",
    # KEYS: seals, sealed, then the trails.  ARGV: signature of the last seal, seal, signature, first seal's
    # entry to keep, then for each trail its name and the first possible id to keep.
    # Returns false if another seal is the last one: then nothing is trimmed.
    """#!lua flags=allow-oom
    local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
    if (last and last[2][4] or '') ~= ARGV[1] then return false end
    local id = redis.call('XADD', KEYS[1], '*', 'seal', ARGV[2], 'signature', ARGV[3])
    redis.call('XTRIM', KEYS[1], 'MINID', '=', ARGV[4])
    for i = 3, #KEYS do
      local trimmed = redis.call('XTRIM', KEYS[i], 'MINID', '=', ARGV[i * 2])
      -- Of a trail that gave nothing: Lua would write -0, which Redis takes for no integer.
      if trimmed > 0 then redis.call('HINCRBY', KEYS[2], ARGV[i * 2 - 1], -trimmed) end
    end
    return id
    """,
)


class Tip(NamedTuple):
    """The end of the chain as Redis has it."""

    link: Sealed | None
    """None if there is no seal, or what lies there is none."""
    signature: bytes
    """What an append must find there; empty if there is no seal."""
    there: bool
    """Whether anything lies there."""


async def tip(redis: Redis, keys: Keys) -> Tip:
    """Return the end of the chain."""
    last = await redis.call("XREVRANGE", keys.audit_seals, "+", "-", "COUNT", 1)
    if not last:
        return Tip(None, b"", there=False)
    fields = last[0][1]
    return Tip(sealed_of(last[0]), fields[3] if len(fields) > 3 else b"", there=True)


async def believed(redis: Redis, keys: Keys, end: Tip, public: PublicKeys) -> Sealed | None:
    """Return the last link of this system that a believed key signed, or one to which such a key handed over.

    Nearly always it is the end of the chain; behind it lies what somebody else put there.

    :param public: the keys that are believed; those handed over to are added
    """
    links, position = [end.link] if end.link else [], "+"
    for _ in range(_PAGES):
        if not end.there or any(_is_ours(link, keys, public) for link in links):
            break
        page = await redis.call("XREVRANGE", keys.audit_seals, position, "-", "COUNT", _PAGE)
        links += filter(None, map(sealed_of, page))
        if len(page) < _PAGE:
            break
        position = f"({page[-1][0].decode()}"
    last = None
    for link in reversed(links):
        if _is_ours(link, keys, public):
            last = link
            if isinstance(link.seal, KeySeal):
                public.add(link.seal.new_key)
    return last


def _is_ours(link: Sealed, keys: Keys, public: PublicKeys) -> bool:
    signed, seal = link
    return seal.namespace == keys.namespace and public.verify(seal.key, signed.body, signed.signature)


async def append(
    redis: Redis,
    keys: Keys,
    expected: bytes,
    link: Signed,
    *,
    trail: Trail | None = None,
    records: int = 0,
) -> bytes | None:
    """Append a link and return its entry's id, None if `expected` is not the last one's signature.

    :param records: how many records of the trail it seals
    """
    arguments = [expected, link.body, link.signature, trail or "", records]
    found: bytes | None = await redis.run_script(APPEND, [keys.audit_seals, keys.audit_sealed], arguments)
    return found


async def trim(
    redis: Redis,
    keys: Keys,
    expected: bytes,
    link: Signed,
    *,
    keep_from: bytes,
    ends: Mapping[Trail, str],
) -> bytes | None:
    """Append the seal of a trim and trim, in one step; otherwise as `append`.

    :param keep_from: the entry of the first seal to keep
    :param ends: the last entry to trim of each trail
    """
    arguments: list[str | bytes] = [expected, link.body, link.signature, keep_from]
    for trail, last in ends.items():
        ms, _, sequence = last.partition("-")
        arguments += [trail, f"{ms}-{int(sequence) + 1}"]
    streams = [trail.stream(keys) for trail in ends]
    found: bytes | None = await redis.run_script(
        TRIM, [keys.audit_seals, keys.audit_sealed, *streams], arguments
    )
    return found
