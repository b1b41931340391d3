"""What is known of a system at one moment, frozen: all that the pages say follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from mas.agent import Fared
from mas.decision import Decision
from mas.gateway import Pace
from mas.supervision import Snapshot


class Enrolled(msgspec.Struct, frozen=True, array_like=True):
    """One registered agent, as Redis has it."""

    agent: str
    backlog: int
    """Entries in its delivery stream, those under way included."""
    circuit: str
    """closed, open or half-open; empty for none."""
    instances: int
    alive: int
    """Instances that gave a sign of life lately."""


class Stored(msgspec.Struct, frozen=True):
    """What Redis says, all as of one moment."""

    at: float
    """Seconds since the epoch by Redis' clock."""
    agents: tuple[Enrolled, ...]
    left_out: int
    """Registered agents beyond those that one look takes in."""
    ingress: int
    """Submissions that wait for a gateway, those of agents that run elsewhere included."""
    oldest: float
    """For how long the one first in line has waited, in seconds; 0 for none."""
    gateways: int
    """Alive, on all hosts."""
    unsealed: Mapping[str, int]
    """Records that wait for their seal, by trail."""
    seals: int
    """The last seal's number; 0 for none."""
    sealed: float | None
    """Seconds since the last seal; None for none."""
    dead_letters: int
    policy: bytes
    """The version of the policy, whether that can be trusted or not."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The gateway of this process."""

    decisions: Mapping[Decision, int]
    pace: Pace
    silent: float | None
    """Seconds since its loop last turned; None: not yet."""
    max_unsealed: int
    """Unsealed records at which it stops committing."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """See the module."""

    runner: str
    pid: int
    version: str
    parts: tuple[str, ...]
    at: float
    """Seconds since the epoch."""
    now: float
    """Monotonic seconds."""
    tree: Snapshot
    seats: Mapping[str, str]
    """By path, whose instance a child is."""
    failures: Mapping[str, int]
    """By the path of the child, since the process began; as `restarts`."""
    restarts: Mapping[str, int]
    given_up: int
    escalations: int
    overruns: int
    redis: str
    """Where it is."""
    connects: int
    stored: Stored | None
    """None where Redis does not answer."""
    trouble: str
    """Why it does not; empty where it does."""
    trusted: bool | None
    """Whether there is a policy that carries the deployment's MAC; None where that is not known."""
    gate: Gate | None
    """None where no gateway runs in this process."""
    fared: Fared | None
    """None where no agents run in this process."""
    lag: float | None
    """By how much the event loop was late last, in seconds; None where nobody looks."""
    longest_lag: float | None
    """The most it was late within the last minute."""
