"""The chain of seals goes over to a new key, which the old one names in its last link."""

from collections.abc import Mapping
from typing import Final

from mas.audit import chain
from mas.audit.author import Author, signer_after
from mas.audit.keyfile import KeyFile
from mas.audit.signing import SealKey
from mas.audit.trails import Trail
from mas.clock import Clock
from mas.errors import MasError
from mas.keys import Keys
from mas.redis import Redis
from mas.threads import in_thread

_ATTEMPTS: Final = 50


async def hand_over(
    redis: Redis, keys: Keys, file: KeyFile, macs: Mapping[Trail, bytes], clock: Clock
) -> SealKey:
    """Make a successor, have the chain announce it, and put it in the old key's place.

    :raises ConfigurationError: if the key that signs the chain is not this deployment's
    :raises MasError: if there is no chain yet, or it grew too fast to get a word in
    """
    for _ in range(_ATTEMPTS):
        tip = await chain.tip(redis, keys)
        if tip.link is None:
            raise MasError("there is no seal yet, hence no key to hand over from")
        key = await in_thread(file.load_for, signer_after(tip.link.seal))
        successor = await in_thread(file.prepare)
        link = Author(key, macs, tip.link, namespace=keys.namespace).hand_over(clock.wall(), successor)
        if await chain.append(redis, keys, tip.signature, link.signed) is not None:
            # The sealer may have found it announced, and put it there before us.
            await in_thread(file.load_for, successor.fingerprint)
            return successor
    raise MasError("the chain of seals grows too fast to hand it over; try again")
