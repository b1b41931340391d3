"""Score the scanner on labelled texts: precision, recall and F1 by class, with intervals."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from mas.dlp.scan import Scanner

_Z = 1.959964  # two-sided 95 %

Interval = tuple[float, float]


@attrs.frozen
class Tally:
    """Texts by whether a class was labelled and found in them."""

    found: int = 0
    spurious: int = 0
    missed: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.found + other.found, self.spurious + other.spurious, self.missed + other.missed)

    @property
    def precision(self) -> float:
        """Of the texts in which it was found, the part where it was labelled; 1 where it was never found."""
        return _ratio(self.found, self.found + self.spurious)

    @property
    def recall(self) -> float:
        """Of the texts labelled with it, the part where it was found; 1 where there are none."""
        return _ratio(self.found, self.found + self.missed)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return _ratio(2 * self.found, 2 * self.found + self.spurious + self.missed)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures with their 95 % intervals.

        Wilson's; that of F1 through Jaccard's index, of which F1 is a monotone function.
        """
        jaccard = wilson(self.found, self.found + self.spurious + self.missed)
        return {
            "found": self.found,
            "spurious": self.spurious,
            "missed": self.missed,
            "precision": round(self.precision, 4),
            "precision_interval": _rounded(wilson(self.found, self.found + self.spurious)),
            "recall": round(self.recall, 4),
            "recall_interval": _rounded(wilson(self.found, self.found + self.missed)),
            "f1": round(self.f1, 4),
            "f1_interval": _rounded((2 * jaccard[0] / (1 + jaccard[0]), 2 * jaccard[1] / (1 + jaccard[1]))),
        }


@attrs.frozen
class Scores:
    """How well the scanner did on a labelled set.

    :param classes: tally by class
    :param clean: texts labelled clean, :param flagged: and those of them in which anything was found
    """

    classes: Mapping[str, Tally]
    clean: int
    flagged: int

    @property
    def micro(self) -> Tally:
        """All classes together."""
        return sum(self.classes.values(), Tally())

    @property
    def clean_flagged(self) -> float:
        """The part of the clean texts in which anything was found."""
        return self.flagged / self.clean if self.clean else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return {
            "classes": {kind: tally.as_dict() for kind, tally in sorted(self.classes.items())},
            "micro": self.micro.as_dict(),
            "clean": self.clean,
            "clean_flagged": round(self.clean_flagged, 4),
            "clean_flagged_interval": _rounded(wilson(self.flagged, self.clean)),
        }

    def table(self) -> str:
        """Return a Markdown table, one row for each class."""
        rows = ["| class | texts | precision | recall | F1 |", "|---|---|---|---|---|"]
        for kind, tally in (*sorted(self.classes.items()), ("all (micro)", self.micro)):
            shown = tally.as_dict()
            cells = " | ".join(
                f"{shown[name]:.3f} ({shown[f'{name}_interval'][0]:.2f}-{shown[f'{name}_interval'][1]:.2f})"
                for name in ("precision", "recall", "f1")
            )
            rows.append(f"| {kind} | {tally.found + tally.missed} | {cells} |")
        low, high = wilson(self.flagged, self.clean)
        rows.append(
            f"\nclean texts flagged: {self.flagged} of {self.clean} = "
            f"{self.clean_flagged:.1%} ({low:.1%}-{high:.1%})"
        )
        return "\n".join(rows)


def score(labelled: Iterable[str | bytes | Mapping[str, Any]], scanner: Scanner | None = None) -> Scores:
    """Score a scanner on `{text, label}` records, given as objects or as lines of JSON.

    A label is a class, a list of classes, or null, "", "none" or "clean" for a text with nothing in it;
    `labels` is read as well. What is not a text under `text` is scanned as a JSON value.

    :raises ValueError: for a record without `text` or label, naming its number
    """
    judge = scanner if scanner is not None else Scanner()
    tallies: dict[str, Tally] = {}
    clean = flagged = 0
    for number, record in enumerate(labelled, 1):
        if isinstance(record, str | bytes) and not record.strip():
            continue
        entry = json.loads(record) if isinstance(record, str | bytes) else record
        if not isinstance(entry, Mapping) or "text" not in entry or not ({"label", "labels"} & entry.keys()):
            raise ValueError(f"record {number} needs `text` and `label`")
        wanted = _classes(entry["label"] if "label" in entry else entry["labels"])
        text = entry["text"]
        verdict = judge.scan_text(text) if isinstance(text, str) else judge.scan(json.dumps(text).encode())
        found = {finding.kind for finding in verdict.findings}
        if not wanted:
            clean += 1
            flagged += bool(found or verdict.refusal)
        for kind in wanted | found:
            tally = Tally(kind in wanted and kind in found, kind not in wanted, kind not in found)
            tallies[kind] = tallies.get(kind, Tally()) + tally
    return Scores(tallies, clean, flagged)


def wilson(successes: int, trials: int) -> Interval:
    """Return Wilson's 95 % interval for a proportion; (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    p, z2 = successes / trials, _Z * _Z
    middle = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z * math.sqrt(p * (1 - p) / trials + z2 / (4 * trials * trials)) / (1 + z2 / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def _classes(label: Any) -> set[str]:
    names = [label] if isinstance(label, str) else label or []
    return {name for name in names if name and name not in {"clean", "none"}}


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _rounded(interval: Interval) -> Interval:
    return round(interval[0], 4), round(interval[1], 4)
