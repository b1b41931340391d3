"""A Lua script that runs inside Redis, known to both sides by its SHA-1."""

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Script:
    """One script; give it to every connection that calls it, which then loads it at each connect.

    :param name: what errors call it
    :param source: the Lua text
    """

    name: str
    source: str = field(repr=False)
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", digest)
