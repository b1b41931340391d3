"""The trail for other tools: lines that still verify, a table, a summary.

A summary helps whoever must answer for a period: what was decided, how often, about whom, and whether
the trail is as it was written. It claims conformity with nothing.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from mas.audit.lines import SEALS, write_line
from mas.audit.moment import moment
from mas.audit.query import Filter, Found
from mas.audit.report import Report
from mas.audit.source import Chunk

COLUMNS: Final = (
    "time", "trail", "id", "gateway", "decision", "event", "sender", "instance", "target", "subject",
    "type", "message_id", "correlation_id", "stage", "rule", "reason", "detail", "actor", "violations",
    "policy", "digest", "size", "ingress", "latency", "traceparent",
)  # fmt: skip
_FORMULAS: Final = (*"=+-@", *"\uff1d\uff0b\uff0d\uff20", "\t", "\r", "\n")
"""How a formula may begin; some spreadsheets take the wide forms for the same."""
_after_semicolon = re.compile(r"(;\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""Where a semicolon parts cells, which is so in half of Europe, a formula may begin behind one."""


def as_lines(chunk: Chunk) -> Iterator[bytes]:
    """Yield a chunk as lines that `mas audit verify --export` reads."""
    name = SEALS if chunk.trail is None else str(chunk.trail)
    return (write_line(name, entry) for entry in chunk.entries)


def table_head() -> str:
    """Return the first row of the table."""
    return _row(COLUMNS)


def table_row(found: Found) -> str:
    """Return a record as a row of CSV (RFC 4180), in which no cell is a formula."""
    told = {"time": moment(found.seconds), "trail": found.trail, "id": found.id}
    latency = {} if found.latency is None else {"latency": f"{found.latency:.3f}"}
    record = {**told, **found.record, **latency}
    return _row(cell(record.get(column, "")) for column in COLUMNS)


def cell(value: Any) -> str:
    """Return a value as a cell that a spreadsheet takes for text, on one line."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    defused = f"'{text}" if text.startswith(_FORMULAS) or text.lstrip().startswith(_FORMULAS) else text
    defused = _after_semicolon.sub(r"\1'", defused)
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in defused)


HELPS: Final = (
    "Helps to answer for a period: what was decided about which messages, by which rule and version of the "
    "policy, what touched security, and whether the trail is as it was written. It claims conformity with no "
    "law and no standard, and knows nothing of what agents do outside the gateway."
)


class Summary(msgspec.Struct):
    """A period at a glance."""

    about: str = HELPS
    asked: str = "everything"
    """The period and whatever else was asked for."""
    records: int = 0
    first: str = ""
    last: str = ""
    decisions: Counter[str] = msgspec.field(default_factory=Counter)
    events: Counter[str] = msgspec.field(default_factory=Counter)
    refusals: Counter[str] = msgspec.field(default_factory=Counter)
    """By sender, target and decision."""
    violations: Counter[str] = msgspec.field(default_factory=Counter)
    alarms: list[str] = []
    policies: list[str] = []
    """Versions of the policy, in the order of their first use."""
    slowest: float = 0.0
    """The longest latency of a decision, in seconds."""
    gateways: list[str] = []

    @classmethod
    def of(cls, wanted: Filter) -> "Summary":
        """Begin one of what a filter lets through."""
        return cls(asked=str(wanted))

    def add(self, found: Found) -> None:
        """Take a record in."""
        record, when = found.record, moment(found.seconds)
        self.records += 1
        self.first = min(self.first or when, when)
        self.last = max(self.last, when)
        _note(self.gateways, record.get("gateway"))
        if event := record.get("event"):
            self.events[event] += 1
            if event == "ALARM" and len(self.alarms) < 100:
                self.alarms.append(f"{when} {record.get('subject', '')}: {record.get('detail', '')}")
            return
        self.slowest = max(self.slowest, found.latency or 0.0)
        decision = record.get("decision", "")
        self.decisions[decision] += 1
        _note(self.policies, record.get("policy"))
        for kind, count in record.get("violations", {}).items():
            self.violations[kind] += count
        if decision not in {"ALLOWED", "DLP_ALERT", "DLP_REDACTED"} and len(self.refusals) < 10_000:
            self.refusals[f"{record.get('sender', '')} -> {record.get('target', '')}: {decision}"] += 1

    def told(self, report: Report | None = None) -> dict[str, Any]:
        """Return the summary as plain data, with the verification's result where there is one."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        told["refusals"] = dict(self.refusals.most_common(100))
        if report is not None:
            told["verification"] = {
                "intact": report.intact,
                "outside_seals_agree": report.outside,
                "sealed": report.sealed,
                "unsealed": report.unsealed,
                "archived_to_seal": report.archived_to,
                "flaws": [str(flaw) for flaw in report.flaws],
            }
        return told


def _note(listed: list[str], name: Any) -> None:
    if name and name not in listed and len(listed) < 1000:
        listed.append(str(name))


def _row(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
