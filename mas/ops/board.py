"""What the dashboard shows, as plain words and numbers: the page and /api/state say the same."""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import msgspec

from mas.decision import Decision
from mas.ops.rate import Rate
from mas.ops.readiness import troubles
from mas.ops.vitals import Enrolled, Stored, Vitals
from mas.ops.words import ago, duration, number
from mas.supervision import Kind, Snapshot, State

MOST_AGENTS: Final = 100
MOST_CHILDREN: Final = 500
_LONGEST: Final = 300
"""Characters of an error."""
_LATE: Final = 0.1
"""Seconds of lateness of the event loop that are worth a look."""
_UNSEALED_LONG: Final = 10.0
"""Seconds without a seal, while records wait for one, that are worth a look."""
UNKNOWN: Final = "–"  # noqa: RUF001 - it is a dash


class Mood(StrEnum):
    """How to look at something."""

    NONE = ""
    GOOD = "good"
    ODD = "odd"
    """Worth a look."""
    BAD = "bad"


class Fact(msgspec.Struct, frozen=True):
    """One figure."""

    key: str
    label: str
    text: str
    note: str = ""
    mood: Mood = Mood.NONE
    value: float | None = None
    """The figure as a number, where it is one and is known."""


class Row(msgspec.Struct, frozen=True):
    """One line of a table."""

    cells: tuple[str, ...]
    mood: Mood = Mood.NONE
    depth: int = 0
    """How far its first cell is indented."""


class Table(msgspec.Struct, frozen=True):
    """A table; where it has no rows, its note says why."""

    key: str
    title: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""


class Board(msgspec.Struct, frozen=True):
    """All of it."""

    ready: bool
    title: str
    about: str
    at: float
    """Seconds since the epoch."""
    troubles: tuple[str, ...]
    facts: tuple[Fact, ...]
    tables: tuple[Table, ...]


def board_of(vitals: Vitals, rate: Rate) -> Board:
    """Return what the dashboard shows of what was seen.

    :param rate: remembers how many decisions there were
    """
    ill = troubles(vitals)
    return Board(
        ready=not ill,
        title=vitals.runner,
        about=f"{', '.join(vitals.parts)} · process {vitals.pid} · mas {vitals.version}",
        at=vitals.at,
        troubles=tuple(f"{what}: {why}" for what, why in ill),
        facts=(*_here(vitals, rate), *_stored(vitals)),
        tables=tuple(_tables(vitals)),
    )


def _here(vitals: Vitals, rate: Rate) -> Iterator[Fact]:
    """Yield what this process knows by itself."""
    if vitals.gate is not None:
        decided = vitals.gate.decisions
        total = sum(decided.values())
        pace = rate.note(vitals.now, total)
        shown = UNKNOWN if pace is None else number(round(pace, 1) if pace < 100 else round(pace))
        yield Fact("rate", "Decisions a second", shown, f"{number(total)} in all", value=pace)
        refused = sum(
            count
            for each, count in decided.items()
            if not each.delivers and each is not Decision.DEAD_LETTERED
        )
        share = f"{100 * refused / total:.3g} % of all" if total else "of none yet"
        yield Fact("refused", "Refused", number(refused), share, value=refused)
    if vitals.fared is not None:
        fared = vitals.fared
        note = f"{number(fared.failed)} failures, {number(fared.given_up)} given up"
        mood = Mood.ODD if fared.given_up else Mood.NONE
        yield Fact("handled", "Handled here", number(fared.handled), note, mood, fared.handled)
    if vitals.lag is not None and vitals.longest_lag is not None:
        mood = Mood.ODD if vitals.longest_lag > _LATE else Mood.NONE
        note = f"at most {duration(vitals.longest_lag)} within a minute"
        yield Fact("lag", "Event loop late by", duration(vitals.lag), note, mood, vitals.lag)


def _stored(vitals: Vitals) -> Iterator[Fact]:
    """Yield what Redis says; without it, the same figures as unknown."""
    stored = vitals.stored
    if stored is None:
        yield Fact("redis", "Redis", "down", vitals.trouble, Mood.BAD)
        for key, label in _LABELS.items():
            yield Fact(key, label, UNKNOWN, "not known without Redis")
        return
    made = f"{vitals.redis}, connected {number(vitals.connects)} ×" if vitals.connects > 1 else vitals.redis  # noqa: RUF001
    yield Fact("redis", "Redis", "up", made, Mood.GOOD)
    alive, registered = (
        sum(getattr(each, name) for each in stored.agents) for name in ("alive", "instances")
    )
    gone, down = sum(not each.alive for each in stored.agents), _down(vitals).total()
    note = f"{number(len(stored.agents) + stored.left_out)} agents"
    note += f", {number(gone)} of them not there" if gone else ""
    note += f", {number(down)} down here" if down else ""
    alive_mood = Mood.ODD if gone or down or alive < registered else Mood.GOOD
    yield _fact("alive", f"{number(alive)} of {number(registered)}", note, alive_mood, alive)
    note = f"the first for {duration(stored.oldest)}" if stored.ingress else "nobody waits"
    yield _fact(
        "ingress", number(stored.ingress), note, Mood.ODD if stored.oldest > 1 else Mood.NONE, stored.ingress
    )
    backlog = sum(each.backlog for each in stored.agents)
    longest = max(stored.agents, key=lambda each: each.backlog, default=None)
    note = f"most for {longest.agent}: {number(longest.backlog)}" if backlog and longest else "nothing waits"
    yield _fact("backlog", number(backlog), note, Mood.NONE, backlog)
    by_state = [sum(each.circuit == state for each in stored.agents) for state in ("open", "half-open")]
    note = f"{number(by_state[1])} half-open" if by_state[1] else "none half-open"
    yield _fact("circuits", number(by_state[0]), note, Mood.BAD if by_state[0] else Mood.NONE, by_state[0])
    letters = stored.dead_letters
    yield _fact("letters", number(letters), "mas dlq list", Mood.ODD if letters else Mood.NONE, letters)
    yield _audit(stored)


def _fact(key: str, text: str, note: str, mood: Mood, value: float) -> Fact:
    return Fact(key, _LABELS[key], text, note, mood, value)


def _audit(stored: Stored) -> Fact:
    waiting = sum(stored.unsealed.values())
    if stored.sealed is None:
        return _fact(
            "unsealed",
            number(waiting),
            "nothing was ever sealed",
            Mood.ODD if waiting else Mood.NONE,
            waiting,
        )
    note = f"{number(stored.seals)} seals, the last {ago(stored.sealed)}"
    mood = Mood.ODD if waiting and stored.sealed > _UNSEALED_LONG else Mood.NONE
    return _fact("unsealed", number(waiting), note, mood, waiting)


_LABELS: Final = {
    "alive": "Instances alive",
    "ingress": "Waiting for a gateway",
    "backlog": "Delivered, not handled yet",
    "circuits": "Circuits open",
    "letters": "Dead letters",
    "unsealed": "Records not sealed yet",
}


def _tables(vitals: Vitals) -> Iterator[Table]:
    yield _tree(vitals)
    if vitals.gate is not None:
        decided = vitals.gate.decisions
        rows = tuple(
            Row((str(each), number(decided[each])), Mood.NONE if each.delivers else Mood.ODD)
            for each in Decision
            if decided.get(each)
        )
        yield Table("decisions", "Decisions", ("decision", "messages"), rows, "" if rows else "none yet")
    if vitals.stored is not None:
        yield _agents(vitals.stored, _down(vitals))
    else:
        yield Table("agents", "Agents", _AGENT_HEAD, (), "not known without Redis")


_AGENT_HEAD: Final = ("agent", "alive", "backlog", "circuit")


def _down(vitals: Vitals) -> Counter[str]:
    """Count, by agent, instances of this process that do not run: its beat is for all of them."""
    seats = vitals.seats
    return Counter(
        seats[node.path] for node in vitals.tree.walk() if node.path in seats and node.state not in _AT_WORK
    )


def _agents(stored: Stored, down: Counter[str]) -> Table:
    """Show those first that most need a look."""
    ranked = sorted(stored.agents, key=lambda e: (-_RANK[_mood(e, down)], -e.backlog, e.agent))
    rows = []
    for each in ranked[:MOST_AGENTS]:
        alive = f"{each.alive} of {each.instances}"
        if down[each.agent]:
            alive += f", {down[each.agent]} down here"
        rows.append(
            Row((each.agent, alive, number(each.backlog), each.circuit or UNKNOWN), _mood(each, down))
        )
    left = len(ranked) - len(rows) + stored.left_out
    note = f"and {number(left)} more" if left else "" if rows else "none is registered"
    return Table("agents", "Agents", _AGENT_HEAD, tuple(rows), note)


def _mood(agent: Enrolled, down: Counter[str]) -> Mood:
    if agent.circuit == "open" or not agent.alive or down[agent.agent]:
        return Mood.BAD
    return Mood.ODD if agent.circuit == "half-open" or agent.alive < agent.instances else Mood.NONE


_RANK: Final = {Mood.NONE: 0, Mood.GOOD: 0, Mood.ODD: 1, Mood.BAD: 2}


def _tree(vitals: Vitals) -> Table:
    nodes = list(vitals.tree.walk())
    rows = tuple(_child(node) for node in nodes[:MOST_CHILDREN])
    left = len(nodes) - len(rows)
    head = ("child", "state", "up for", "restarts", "last error")
    return Table("tree", "Supervision tree", head, rows, f"and {number(left)} more" if left else "")


def _child(node: Snapshot) -> Row:
    name = node.name if node.kind is Kind.WORKER else f"{node.name} ({node.strategy})"
    up = duration(node.uptime) if node.uptime else UNKNOWN
    error = node.last_error if len(node.last_error) <= _LONGEST else f"{node.last_error[: _LONGEST - 1]}…"
    mood = _STATES.get(node.state, Mood.ODD)
    if mood is Mood.GOOD:
        mood = Mood.ODD if node.last_error else Mood.NONE
    depth = node.path.count("/") + bool(node.path)
    return Row((name, node.state, up, number(node.restarts), error), mood, depth)


_AT_WORK: Final = frozenset({State.RUNNING, State.FINISHED})
_STATES: Final = {
    State.RUNNING: Mood.GOOD,
    State.FINISHED: Mood.GOOD,
    State.FAILED: Mood.BAD,
    State.OVERRUN: Mood.BAD,
    State.BACKOFF: Mood.BAD,
}
