"""A range under examination: records go in, in pieces, and what a seal says of them comes out. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from mas.audit.continuity import Continuity, Run
from mas.audit.entry import Raw, digests, open_entries, order, range_hash
from mas.audit.seal import Flaw, Index, write_marks
from mas.audit.trails import Trail

_MOST_FLAWS = 100


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What a seal says of a range, at least one record; the fields are those of `RangeSeal`."""

    trail: Trail
    first: str
    last: str
    count: int
    hash: str
    marks: str
    flaws: tuple[Flaw, ...]
    senders: tuple[str, ...]
    targets: tuple[str, ...]
    decisions: tuple[str, ...]
    classes: tuple[str, ...]
    runs: dict[str, Run]
    """What must be remembered of the runs after these records."""


class Draft:
    """See the module.

    :param key: of the trail's MACs
    :param runs: what is known of them before
    """

    def __init__(self, trail: Trail, key: bytes, runs: Mapping[str, Run]) -> None:
        self.trail, self._key = trail, key
        self._continuity, self._index = Continuity(runs), Index()
        self._first = self._last = ""
        self._digests: list[bytes] = []
        self._flaws: list[Flaw] = []

    def examine(self, entries: Sequence[Raw]) -> None:
        """Take the next entries in, at least one, checking each MAC and number."""
        heads = open_entries(entries, self._key)
        self._index.add(heads)
        for entry_id, problem in self._continuity.follow(entries, heads):
            if len(self._flaws) < _MOST_FLAWS:
                self._flaws.append(Flaw(entry_id.decode(), problem, self.trail))
        self._digests += digests(entries)
        self._first = self._first or entries[0][0].decode()
        self._last = entries[-1][0].decode()

    def examined(self) -> Examined:
        """Return what was found; entries were taken in before."""
        return Examined(
            trail=self.trail,
            first=self._first,
            last=self._last,
            count=len(self._digests),
            hash=range_hash(self._digests),
            marks=write_marks(self._digests),
            flaws=tuple(self._flaws),
            runs=self._continuity.state(order(self._last)[0] / 1000),
            **self._index.lists(),
        )
