"""How a decision is told to whoever watches: one line, in columns that hold still while lines come."""

from datetime import datetime
from typing import Any, Final

import msgspec

from mas.audit import Found
from mas.audit.moment import moment
from mas.cli.outcome import styled
from mas.cli.printable import printable

_GAP: Final = "  "
_LEAST: Final = (16, 10, 12, 6)  # columns of who to whom, type, decision and latency
_MOST: Final = (40, 30, 17, 8)  # a longer one pushes its own line aside, and no other
_NARROW: Final = 100  # columns of a terminal below which lines have to do without what matters least
_WHY: Final = 12  # characters of a reason that are shown however narrow the terminal is
_ID: Final = (8, 4)  # first and last characters of an id where all of it does not fit


class Traffic:
    """Lays out one record after the other; a column grows with what is put into it, and never shrinks."""

    def __init__(self) -> None:
        self._widths = list(_LEAST)

    def line(self, found: Found, width: int | None) -> str:
        """Return the line of a record.

        :param width: columns of the terminal that it is for; None: it is not for one, and whole
        """
        record, narrow = found.record, width is not None and width < _NARROW
        cells = [
            printable(f"{record.get('sender') or '?'} -> {record.get('target') or '?'}"),
            printable(record.get("type") or "?"),
            printable(record.get("decision", "")),
            _latency(found.latency),
        ]
        for at, cell in enumerate(cells):
            self._widths[at] = max(self._widths[at], min(len(cell), _MOST[at]))
        who, kind, decision, latency = self._widths
        time = moment(found.seconds) if width is None else local(found.seconds, narrow=narrow)
        before = f"{time}{_GAP}{cells[0]:<{who}}{_GAP}{cells[1]:<{kind}}{_GAP}"
        after = "" if narrow and record.get("reason") else f"{_GAP}{cells[3]:>{latency}}"
        taken = len(before) + max(decision, len(cells[2])) + len(after) + len(_GAP)
        rest = _rest(record, None if width is None else width - taken)
        return f"{before}{styled(cells[2], width=decision)}{after}{_GAP}{rest}".rstrip()


def as_line(found: Found) -> bytes:
    """Return a record as one line of JSON."""
    record = found.record
    told = {
        "time": moment(found.seconds),
        "latency": found.latency,
        **{name: record.get(name, "") for name in _TOLD},
    }
    return msgspec.json.encode(told)


_TOLD: Final = (
    "sender",
    "instance",
    "target",
    "type",
    "decision",
    "stage",
    "rule",
    "reason",
    "message_id",
    "correlation_id",
)


def _rest(record: dict[str, Any], room: int | None) -> str:
    """Return why it was decided so, where that is told, and what ties it to others, if there is room."""
    tie = printable(record.get("correlation_id") or record.get("message_id") or "")
    where, why = _why(record)
    whole = f"{where}: {why}" if where and why else why
    if room is None:
        return _GAP.join(part for part in (whole, tie) if part)
    if not why:
        return next((told for told in (tie, _short(tie)) if len(told) <= room), "")
    for told in (f"{whole}{_GAP}{tie}", f"{whole}{_GAP}{_short(tie)}", whole, why):
        if len(told) <= room:
            return told
    most = max(room, _WHY)
    return why if len(why) <= most else f"{why[: most - 1]}…"


def _why(record: dict[str, Any]) -> tuple[str, str]:
    """Return stage and rule, and the reason without what the line says already."""
    names = f"{record.get('sender')} -> {record.get('target')} ({record.get('type')}): "
    reason = str(record.get("reason", "")).removeprefix(names)
    stage, rule = str(record.get("stage", "")), str(record.get("rule", ""))
    where = " ".join(word for word in (stage, rule if rule not in reason else "") if word)
    return printable(where), printable(reason)


def _short(identifier: str) -> str:
    first, last = _ID
    return identifier if len(identifier) <= first + last else f"{identifier[:first]}…{identifier[-last:]}"


def local(seconds: float, *, narrow: bool) -> str:
    """Return a time as the clock on the wall shows it, and its date if that is not today's.

    :param narrow: to the second
    """
    try:
        at = datetime.fromtimestamp(seconds).astimezone()
    except (ValueError, OverflowError, OSError):
        return moment(seconds)
    today = at.date() == datetime.now().astimezone().date()
    text = at.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")
    return text if narrow else f"{text}.{at.microsecond // 1000:03}"


def _latency(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"
