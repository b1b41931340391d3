"""What one decision does, as data: the gateway fills it in, the commit script carries it out.

Everything is text or a number, for Lua's unpacker does not know MessagePack's binary type; and no None,
for a Lua table ends there. None of it can be part of a cycle, so the garbage collector need not follow it.
"""

from enum import IntEnum

import msgspec

from mas.keys import REPLAY_BLOCK


class Outcome(IntEnum):
    """What became of one change. From `RATE_LIMITED` on, the excess over it is the wait in milliseconds."""

    DONE = 0
    FENCED = 1
    """Somebody else committed it."""
    TOKEN_INVALID = 2
    REPLAYED = 3
    ANSWERED = 4
    BACKLOG_FULL = 5
    UNDELIVERABLE = 6
    """The target's key holds something that is no stream."""
    CHAIN_SPENT = 7
    GONE = 8
    """The instance that a reply is for is there no more."""
    FORGOTTEN = 9
    """The target is registered no more."""
    RATE_LIMITED = 1_000
    CIRCUIT_OPEN = 1_000_000_000


UNSEALED = -2
"""In the place of outcomes: the whole batch was left alone, too many audit records wait for their seal."""
TRAIL_ENDED, LETTERS_ENDED = -3, -4
"""Likewise: the stream takes no more entries, for somebody wrote one under the last possible id."""


class Mark(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A bit that may be set once; no key means nothing to mark."""

    key: str = ""
    bit: int = 0

    @classmethod
    def of(cls, key: str, sequence: int) -> "Mark":
        """Place a sequence number's mark in its block."""
        return cls(key, sequence % REPLAY_BLOCK)


NO_MARK = Mark()


class Write(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One entry to append, names and values in turn."""

    stream: str
    fields: tuple[str, ...]


class OwnWrite(Write, array_like=True, frozen=True, gc=False):
    """An entry for a stream that belongs to somebody: left out if its owner is gone.

    An owner is there as long as the stream is, or another key of its own. Nothing else makes that stream,
    or what comes after its end would lie there for ever.
    """

    owner: str
    """The key: an instance's heartbeat, or an agent's registration."""


class Removal(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A delivery to take off its stream, if this consumer still owns it; no stream means none.

    Without a group it is a dead letter, which is taken off if it is still there.
    """

    stream: str = ""
    group: str = ""
    consumer: str = ""
    entry: str = ""


NO_REMOVAL = Removal()


class Ring(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Whom to tell of new mail."""

    channel: str
    instance: str = ""
    """Empty when any instance may take it."""


class Outcomes(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How a receiver's handlers fared since its last report; no circuit means no report."""

    circuit: str = ""
    failed: int = 0
    handled: int = 0


NO_OUTCOMES = Outcomes()


class Change(msgspec.Struct, array_like=True, gc=False):
    """All that one decision does."""

    ingress: str
    entry: str
    writes: tuple[Write, ...]
    token: int = 0
    """Which of the commit's tokens must be valid, counted from 1; 0 for a sender that proved nothing."""
    buckets: tuple[int, ...] = ()
    """Which of the commit's buckets pay, counted from 1."""
    mark: Mark = NO_MARK
    answered: Mark = NO_MARK
    target: str = ""
    """The stream whose backlog is capped; empty for none."""
    circuit: str = ""
    """The target's circuit, which must let it through; empty for none."""
    chain: str = ""
    """The causal chain that pays for it; empty for none."""
    outcomes: Outcomes = NO_OUTCOMES
    """What the sender reports of its own handlers."""
    removal: Removal = NO_REMOVAL
    rings: tuple[Ring, ...] = ()


class Token(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A token hash that must still stand."""

    key: str
    expected: str


class Bucket(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Token buckets of a sender or a pair: (name, capacity in messages, refill in messages a second) each."""

    key: str
    limits: tuple[tuple[str, float, float], ...]


class Commit(msgspec.Struct, array_like=True):
    """What one call of the script is given."""

    policy_key: str
    policy_version: str
    group: str
    mark_seconds: int
    """How long replay marks are kept."""
    permit_seconds: int
    """How long the marks of used permits are kept."""
    max_backlog: int
    chain_messages: int
    """Messages that one causal chain may hold."""
    circuit: tuple[int, float, float, float, int]
    """Failures, their share, and seconds they are counted over; seconds it stays open; probes."""
    system: str
    """The channel on which a circuit's change is told."""
    audit: str
    audit_sealed: str
    """The hash in which the sealer says how many records are sealed."""
    max_unsealed: int
    dead_letters: str
    nothing: str
    """A key that is never there."""
    tokens: list[Token]
    buckets: list[Bucket]
    changes: list[Change]


pack = msgspec.msgpack.Encoder().encode
"""Encode a commit as the script's one argument."""
