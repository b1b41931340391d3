"""Is the trail as it was written? Pure: chunks of it go in, in order, and a report comes out.

What a seal covers is compared with its hash, and the seal with its signature and with the link before; so
the public key is enough. What no seal covers yet is compared by number and, with the secret, by MAC.
A seal known from outside Redis also shows that nothing was cut off before it.
"""

from collections.abc import Iterable, Mapping, Sequence

from mas.audit.author import signer_after
from mas.audit.continuity import Continuity
from mas.audit.difference import difference
from mas.audit.entry import Raw, digests, open_entries, range_hash
from mas.audit.report import Report
from mas.audit.seal import (
    AnySeal,
    Flaw,
    KeySeal,
    RangeSeal,
    RestartSeal,
    Sealed,
    State,
    TrimSeal,
    read_marks,
    sealed_of,
)
from mas.audit.signing import PublicKeys
from mas.audit.trails import Trail


class Verifier:
    """Feed it each range's records and then their seal, in the chain's order, and at last the unsealed.

    :param keys: whose signatures are believed; a key that hands over adds its successor
    :param outside: seals from outside Redis; those count that a believed key signed
    :param macs: each trail's key, by which unsealed records are checked; without, only their numbers are
    :param whole: the chain must begin at its first link, or where a trim says that it does
    :param from_first: the chain must begin at its first link, or after those whose archives a trim says
        were deleted
    :param namespace: of the system whose seals they must be; None: that of the first one
    :param archived: the first and the last seal that an archive must hold, and nothing behind that; None: it
        is none, and must end with the newest seal known from outside
    """

    def __init__(
        self,
        keys: PublicKeys,
        *,
        outside: Iterable[Sealed] = (),
        macs: Mapping[Trail, bytes] | None = None,
        whole: bool = True,
        from_first: bool = False,
        namespace: str | None = None,
        archived: tuple[int, int] | None = None,
    ) -> None:
        self._namespace = namespace
        self._keys, self._macs, self._whole = keys, macs or {}, whole
        self._archived, self._from_first = archived, from_first
        self._copies = sorted(outside, key=lambda link: link.seal.sequence)
        self._outside: dict[tuple[str, int], str] = {}
        self._pending: dict[Trail, list[Raw]] = {trail: [] for trail in Trail}
        self._last: Sealed | None = None
        self._first: AnySeal | None = None
        self._begins_after: dict[Trail, str] = {}
        self._trim: TrimSeal | None = None
        self._report = Report(macs_checked=bool(macs))
        self._believe_copies()

    @property
    def done(self) -> int:
        """Records seen so far."""
        return self._report.sealed + sum(map(len, self._pending.values()))

    @property
    def report(self) -> Report:
        """What was found so far."""
        return self._report

    def records(self, trail: Trail, entries: Sequence[Raw]) -> None:
        """Take records; their seal comes later, or never did."""
        self._pending[trail] += entries

    def seal(self, entry: Raw) -> None:
        """Take a seal, as it lies in its stream."""
        link = sealed_of(entry)
        if link is None:
            self._flaw(f"seals {entry[0].decode('utf-8', 'replace')}", "it is no seal")
            return
        self._report.seals += 1
        self._check_link(link)
        match link.seal:
            case RangeSeal() as seal:
                self._check_range(seal)
            case TrimSeal() as seal:
                self._trim = seal
                self._report.deleted_to = max(self._report.deleted_to, seal.deleted)
            case RestartSeal() as seal:
                self._check_restart(seal)
            case KeySeal():
                pass
        self._last = link
        self._report.last_seal = link.seal.sequence

    def damage(self, where: str, problem: str) -> None:
        """Take note of a place in a file that holds no entry, and so breaks the trail."""
        self._flaw(where, problem)

    def finish(self) -> Report:
        """Check what no seal covers, and both ends of the chain."""
        self._check_beginning()
        self._check_end()
        self._report.namespace = self._namespace or ""
        state = self._last.seal.state if self._last else State()
        for trail, entries in self._pending.items():
            self._check_unsealed(trail, entries, Continuity(state.runs))
        return self._report

    def _flaw(self, where: str, problem: str, trail: str = "") -> None:
        self._report.add(Flaw(where, problem, trail))

    def _believe_copies(self) -> None:
        """Take in the seals from outside whose keys are known by now, in the order of their numbers."""
        unknown = []
        for link in self._copies:
            signed, seal = link
            if not self._keys.verify(seal.key, signed.body, signed.signature):
                unknown.append(link)
                continue
            if isinstance(seal, KeySeal):
                # Where the chain was cut off before it, nothing else tells of the key that came after.
                self._keys.add(seal.new_key)
            place = seal.namespace, seal.sequence
            if self._outside.setdefault(place, signed.digest) != signed.digest:
                where = f"seal {seal.sequence}"
                self._flaw(where, "there are two of this number outside redis: forked, or rolled back")
        self._copies = unknown

    def _check_link(self, link: Sealed) -> None:
        signed, seal = link
        where, last = f"seal {seal.sequence}", self._last
        if not self._keys.verify(seal.key, signed.body, signed.signature):
            known = (
                "its signature is wrong"
                if seal.key in self._keys
                else f"signed by key {seal.key}, which is not believed"
            )
            self._flaw(where, known)
        elif isinstance(seal, KeySeal):
            self._keys.add(seal.new_key)
            self._believe_copies()
        if self._namespace is None:
            self._namespace = seal.namespace
        if seal.namespace != self._namespace:
            self._flaw(where, f"is of another system, whose namespace is {seal.namespace or 'empty'}")
        if last is None:
            self._first, self._report.first_seal = seal, seal.sequence
        else:
            if seal.key != signer_after(last.seal):
                self._flaw(where, f"signed by key {seal.key}, to which none has handed over")
            if seal.sequence != last.seal.sequence + 1:
                self._flaw(
                    where, f"follows seal {last.seal.sequence}: those between are gone, or out of order"
                )
            elif seal.previous != last.signed.digest:
                self._flaw(where, f"does not continue seal {last.seal.sequence}: one of the two was replaced")
        copy = self._outside.get((seal.namespace, seal.sequence))
        if copy == signed.digest:
            self._report.outside += 1
        elif copy is not None:
            self._flaw(where, "differs from its copy outside redis")

    def _check_restart(self, seal: RestartSeal) -> None:
        lost = f"seals {seal.found + 1} to {seal.sequence - 1}"
        self._flaw(f"seal {seal.sequence}", f"the sealer found {lost} gone, and perhaps what they cover")

    def _check_range(self, seal: RangeSeal) -> None:
        trail, pending = seal.trail, self._pending[seal.trail]
        if trail not in self._begins_after:
            self._begins_after[trail] = seal.after
        elif self._last is not None and self._last.seal.state.ends.get(trail, "0-0") != seal.after:
            self._flaw(
                f"seal {seal.sequence}", f"begins after {seal.after}, where the seal before does not end"
            )
        for flaw in seal.flaws:
            self._report.add(flaw)
        found = digests(pending)
        if range_hash(found) != seal.hash or len(found) != seal.count:
            where, problem = difference(pending, found, read_marks(seal.marks), seal)
            self._flaw(where, f"{problem} (seal {seal.sequence})", trail)
        self._report.sealed += len(pending)
        pending.clear()

    def _check_beginning(self) -> None:
        first, trim = self._first, self._trim
        if trim is not None:
            self._report.archived_to = trim.upto
        if self._archived and self._report.first_seal != self._archived[0]:
            where = f"seal {self._report.first_seal}" if first else "the beginning"
            self._flaw(where, f"the archive begins here, and not with seal {self._archived[0]}")
        if first is None or not self._whole:
            return
        if first.sequence == 1:
            if first.previous:
                self._flaw("seal 1", "claims to continue another")
        elif self._from_first:
            if first.sequence <= (due := self._report.deleted_to + 1):
                # What a seal says was deleted is not missed; where the rest begins, its first seal says.
                return
            self._flaw(
                f"seal {first.sequence}", f"seals {due} to {first.sequence - 1} are in no archive here"
            )
        elif trim is None or first.sequence != trim.upto + 1 or first.previous != trim.digest:
            self._flaw(
                f"seal {first.sequence}", f"seals 1 to {first.sequence - 1} are gone, and no trim says so"
            )
        ends = trim.ends if trim is not None and first.sequence > 1 else {}
        for trail, after in self._begins_after.items():
            if after != ends.get(trail, "0-0"):
                self._flaw(after, "the trail begins after this entry, and no trim says so", trail)

    def _check_end(self) -> None:
        last = self._report.last_seal
        beginning = f"seal {last}" if last else "the beginning"
        ours = (number for name, number in self._outside if self._namespace in {None, name})
        newest = max(ours, default=0)
        if self._archived and last != self._archived[1]:
            self._flaw(beginning, f"the chain ends here, and not with seal {self._archived[1]}")
        elif not self._archived and newest > last:
            problem = f"the chain ends here; outside redis there is seal {newest}: cut off or rolled back"
            self._flaw(beginning, problem)

    def _check_unsealed(self, trail: Trail, entries: list[Raw], continuity: Continuity) -> None:
        self._report.unsealed += len(entries)
        if self._archived and entries:
            where = entries[0][0].decode("utf-8", "replace")
            self._flaw(where, "from here on, no seal covers what stands in the archive", trail)
            return
        heads = open_entries(entries, self._macs.get(trail))
        for entry_id, problem in continuity.follow(entries, heads):
            self._flaw(entry_id.decode("utf-8", "replace"), problem, trail)
