"""The seals: one chain over all trails, each link signed and bound to the one before.

A link is stored as JSON beside its Ed25519 signature (RFC 8032) over exactly these bytes. Anyone with
the public key can check it; nobody without the private one can make another.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from mas.audit.continuity import Run
from mas.audit.entry import MARK, Head, order
from mas.audit.trails import Trail

ANY = ("*",)
"""Stands for a list too long to keep."""
_MOST_NAMES = 500
_RAW_KEY = 32
"""Bytes of a public key."""
_MOST_RECORDS = 1 << 31
"""A count above that is nothing that Redis could be asked for."""
_shaped = re.compile(r"\d{1,20}-\d{1,20}", re.ASCII).fullmatch


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the next sealer, or a verifier, goes on from."""

    ends: dict[Trail, str] = {}
    """The last entry sealed in each trail."""
    runs: dict[str, Run] = {}


class Flaw(msgspec.Struct, frozen=True):
    """Something that is not as it was written, and where."""

    where: str
    """An entry's id, or `seal` and its number."""
    problem: str
    trail: str = ""

    def __str__(self) -> str:
        return f"{self.trail} {self.where}: {self.problem}".lstrip()


class Link(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """What every seal has."""

    sequence: int
    """1, 2, 3, ..."""
    at: float
    """Seconds since the epoch, by the sealer's clock."""
    previous: str
    """SHA-256 of the link before as hex; empty for the first."""
    key: str
    """Fingerprint of the key that signs."""
    state: State
    namespace: str = ""
    """Which of several systems in one Redis, which may share key, sink and directory."""


class RangeSeal(Link, frozen=True, kw_only=True, tag="range"):
    """These entries stood here, checked one by one."""

    trail: Trail
    after: str
    """The last entry sealed before; `0-0` for none."""
    first: str
    last: str
    count: int
    hash: str
    """SHA-256 over the digests of the entries, as hex."""
    marks: str
    """The beginning of each entry's digest, as base64: it names the one that was changed."""
    flaws: tuple[Flaw, ...] = ()
    """What was wrong with them at the time of sealing."""
    senders: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    """Decisions, and kinds of security events."""
    classes: tuple[str, ...] = ()
    """Classes of what data loss prevention found."""


class TrimSeal(Link, frozen=True, kw_only=True, tag="trim"):
    """Everything up to a seal went into an archive, and out of Redis."""

    upto: int
    """The last seal that was archived; ranges of seals up to it are gone."""
    digest: str
    """That seal's SHA-256."""
    ends: dict[Trail, str]
    """The last entry archived of each trail."""
    archive: str
    """The archive's file name."""
    archive_hash: str
    """SHA-256 of the file, as hex."""
    deleted: int = 0
    """The last seal of the archives that were then deleted, being too old or too much; 0: none was."""


class KeySeal(Link, frozen=True, kw_only=True, tag="key"):
    """The seals after this one are signed with another key; this one is signed with the old one."""

    new_key: str
    """The raw public key, as base64."""


class RestartSeal(Link, frozen=True, kw_only=True, tag="restart"):
    """The sealer found less than it had sealed: the chain goes on, the loss stays on record."""

    found: int
    """The last seal that was still there; 0 for none."""


AnySeal = RangeSeal | TrimSeal | KeySeal | RestartSeal


class Signed(NamedTuple):
    """A link as it is stored."""

    body: bytes
    signature: bytes
    """As base64."""
    id: bytes = b""
    """Its entry's id, where it lies in Redis."""

    @property
    def digest(self) -> str:
        """What the next link names as its previous."""
        return hashlib.sha256(self.body).hexdigest()

    def open(self) -> AnySeal:
        """Return the link; its signature is not checked here.

        :raises msgspec.DecodeError: if it is none
        """
        seal: AnySeal = _decode(self.body)
        return seal


class Sealed(NamedTuple):
    """A link, as it is stored and as it reads."""

    signed: Signed
    seal: AnySeal


def sealed_of(entry: list[Any]) -> Sealed | None:
    """Return the link in an entry of the seals' stream, None if there is none.

    Whoever may write there may write anything that looks like one: what no sealer writes is none.
    """
    fields = entry[1]
    if len(fields) != 4 or fields[0] != b"seal" or fields[2] != b"signature":
        return None
    signed = Signed(fields[1], fields[3], entry[0])
    try:
        seal = signed.open()
    except (msgspec.DecodeError, RecursionError):
        return None
    return Sealed(signed, seal) if _is_sound(seal) else None


def _is_sound(seal: AnySeal) -> bool:
    """Say whether a link can be followed: each id in it is one, and what is encoded decodes."""
    ids, coded = list(seal.state.ends.values()), ""
    match seal:
        case RangeSeal():
            ids += [seal.after, seal.first, seal.last]
            coded = seal.marks
        case TrimSeal():
            ids += seal.ends.values()
        case KeySeal():
            coded = seal.new_key
    try:
        decoded = base64.b64decode(coded, validate=True)
    except ValueError:
        return False
    return (
        all(map(_is_id, ids))
        and (not isinstance(seal, KeySeal) or len(decoded) == _RAW_KEY)
        and (not isinstance(seal, RangeSeal) or 0 < seal.count <= _MOST_RECORDS)
    )


def _is_id(text: str) -> bool:
    return _shaped(text) is not None and max(order(text)) < 1 << 64


class Index:
    """Who and what a range is about, so that a query can pass it over."""

    def __init__(self) -> None:
        self._about: set[tuple[str, str, str]] = set()
        self._classes: set[str] = set()

    def add(self, heads: Iterable[Head | str]) -> None:
        """Take records in; what is none is passed over."""
        known = [head for head in heads if not isinstance(head, str)]
        # A record of a decision has no subject and no event, an event no sender and no decision.
        self._about |= {(head.sender, head.target, head.decision) for head in known if not head.event}
        self._about |= {(head.gateway, head.subject, head.event) for head in known if head.event}
        for head in known:
            if head.violations:
                self._classes.update(head.violations)

    def lists(self) -> dict[str, tuple[str, ...]]:
        """Return the lists by the seal's field names."""
        return {
            "senders": _listed({sender for sender, _, _ in self._about}),
            "targets": _listed({target for _, target, _ in self._about}),
            "decisions": _listed({decision for _, _, decision in self._about}),
            "classes": _listed(self._classes),
        }


def _listed(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(names - {""})) if len(names) <= _MOST_NAMES else ANY


def write_marks(of: Iterable[bytes]) -> str:
    """Return the beginnings of digests, as a seal keeps them."""
    return base64.b64encode(b"".join(digest[:MARK] for digest in of)).decode()


def read_marks(text: str) -> Sequence[bytes]:
    """Return the beginnings of digests that a seal keeps.

    :raises ValueError: if they do not decode
    """
    marks = base64.b64decode(text, validate=True)
    return [marks[at : at + MARK] for at in range(0, len(marks), MARK)]


encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(AnySeal).decode
