"""What a trial came to: one line of figures, and whether it may stand."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from tests.faults.checker import Report


class Outcome(NamedTuple):
    """The figures of one trial, in the order in which they are printed."""

    sent: int
    """Messages somebody tried to send."""
    accepted: int
    """Of which `send()` returned."""
    delivered_unique: int
    delivered_dup: int
    handled_unique: int
    handled_dup: int
    denied: int
    dlq: int
    lost: int
    unaudited: int
    seals_ok: bool
    pending: int
    recovery_s: float
    """Seconds from the worst fault until something was handled that was sent after it."""
    rss_peak: float
    """MiB of the largest process of a gateway or receiver."""

    @property
    def stands(self) -> bool:
        """Whether nothing is amiss that no fault may bring about."""
        amiss = self.lost or self.unaudited or self.pending or self.delivered_dup
        return self.seals_ok and not amiss

    def line(self) -> str:
        """Return all of it as one line."""
        words = zip(self._fields, self, strict=True)
        return " ".join(
            f"{name}={value:.2f}" if isinstance(value, float) else f"{name}={value}" for name, value in words
        )


def outcome(report: Report, *, sent: int, accepted: int, recovery: float, peak: float) -> Outcome:
    """Put what the checker found together with what the sender and the watch know."""
    return Outcome(
        sent=sent,
        accepted=accepted,
        delivered_unique=report.accepted,
        delivered_dup=report.delivered_dup,
        handled_unique=report.handled,
        handled_dup=report.handled_dup,
        denied=report.denied,
        dlq=report.dlq,
        lost=report.lost,
        unaudited=report.unaudited,
        seals_ok=not report.broken,
        pending=report.pending,
        recovery_s=recovery,
        rss_peak=peak,
    )


def summary(name: str, outcomes: Sequence[Outcome]) -> str:
    """Return the trials of one scenario as one line: how many, of each figure worst and median."""
    shown = []
    for field in ("lost", "unaudited", "pending", "delivered_dup", "handled_dup", "recovery_s", "rss_peak"):
        values = [float(getattr(each, field)) for each in outcomes]
        shown.append(f"{field}={max(values):g}/{median(values):g}")
    seals = sum(each.seals_ok for each in outcomes)
    return f"{name}: {len(outcomes)} trials, seals_ok {seals}/{len(outcomes)}, worst/median {' '.join(shown)}"
