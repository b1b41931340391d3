"""The next link of the chain: pure, so that what a sealer decides can be tested without one."""

from collections.abc import Mapping

from mas.audit.draft import Draft, Examined
from mas.audit.seal import (
    AnySeal,
    KeySeal,
    RangeSeal,
    RestartSeal,
    Sealed,
    Signed,
    State,
    TrimSeal,
    encode,
)
from mas.audit.signing import SealKey, fingerprint_of, raw_public
from mas.audit.trails import Trail


class Author:
    """Writes link after link.

    :param last: the link to go on from; None for the first of all
    :param namespace: the system's, see `Keys`
    """

    def __init__(
        self,
        key: SealKey,
        macs: Mapping[Trail, bytes],
        last: Sealed | None = None,
        *,
        namespace: str = "",
    ) -> None:
        self.key, self._macs, self._namespace = key, macs, namespace
        self.last = last

    @property
    def sequence(self) -> int:
        """The number of the last link; 0 before the first."""
        return self.last.seal.sequence if self.last else 0

    @property
    def state(self) -> State:
        """What the next link goes on from."""
        return self.last.seal.state if self.last else State()

    def after(self, trail: Trail) -> str:
        """Return the last entry sealed in a trail."""
        return self.state.ends.get(trail, "0-0")

    def draft(self, trail: Trail) -> Draft:
        """Begin to examine what follows."""
        return Draft(trail, self._macs[trail], self.state.runs)

    def range(self, examined: Examined, at: float) -> Sealed:
        """Seal a range that was examined."""
        seal = RangeSeal(
            sequence=self.sequence + 1,
            at=at,
            previous=self._previous,
            key=self.key.fingerprint,
            namespace=self._namespace,
            state=State({**self.state.ends, examined.trail: examined.last}, examined.runs),
            trail=examined.trail,
            after=self.after(examined.trail),
            first=examined.first,
            last=examined.last,
            count=examined.count,
            hash=examined.hash,
            marks=examined.marks,
            flaws=examined.flaws,
            senders=examined.senders,
            targets=examined.targets,
            decisions=examined.decisions,
            classes=examined.classes,
        )
        return self._sign(seal)

    def trim(self, at: float, upto: Sealed, archive: str, archive_hash: str, *, deleted: int = 0) -> Sealed:
        """Seal that everything up to a link went into an archive.

        :param deleted: the last seal of the archives that are deleted for it; 0: none is
        """
        return self._sign(
            TrimSeal(
                sequence=self.sequence + 1,
                at=at,
                previous=self._previous,
                key=self.key.fingerprint,
                namespace=self._namespace,
                state=self.state,
                upto=upto.seal.sequence,
                digest=upto.signed.digest,
                ends=upto.seal.state.ends,
                archive=archive,
                archive_hash=archive_hash,
                deleted=deleted,
            )
        )

    def hand_over(self, at: float, successor: SealKey) -> Sealed:
        """Seal that another key signs from here on."""
        return self._sign(
            KeySeal(
                sequence=self.sequence + 1,
                at=at,
                previous=self._previous,
                key=self.key.fingerprint,
                namespace=self._namespace,
                state=self.state,
                new_key=raw_public(successor.public),
            )
        )

    def restart(self, at: float, found: int) -> Sealed:
        """Seal that only the links up to `found` were still there."""
        return self._sign(
            RestartSeal(
                sequence=self.sequence + 1,
                at=at,
                previous=self._previous,
                key=self.key.fingerprint,
                namespace=self._namespace,
                state=self.state,
                found=found,
            )
        )

    def accept(self, link: Sealed) -> None:
        """Go on from a link that has been appended."""
        self.last = link

    @property
    def _previous(self) -> str:
        return self.last.signed.digest if self.last else ""

    def _sign(self, seal: AnySeal) -> Sealed:
        body = encode(seal)
        return Sealed(Signed(body, self.key.sign(body)), seal)


def signer_after(seal: AnySeal) -> str:
    """Return the fingerprint of the key that must sign the link after this one."""
    return fingerprint_of(seal.new_key) if isinstance(seal, KeySeal) else seal.key
