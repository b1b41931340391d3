"""What `mas ps` makes of a tree: short enough for the terminal, and true now."""

import click
import pytest

from mas.cli.ps import duration, lines
from mas.steering import Node, Runner
from mas.supervision import Kind, State, Strategy

ERROR = "ValueError: " + "x" * 100


def worker(name, state=State.RUNNING, uptime=0.0, **more):
    return Node(name, name, Kind.WORKER, state, uptime, **more)


def supervisor(name, *children, strategy=Strategy.ONE_FOR_ONE, **more):
    return Node(
        name, name, Kind.SUPERVISOR, State.RUNNING, 60.0, children=children, strategy=strategy, **more
    )


def shown(*children, width=None, silent=0.0):
    runner = Runner("host-1", "host", 7, ("agents",), 0.0, supervisor("mas", *children), silent)
    return [click.unstyle(line) for line in lines(runner, width)]


def test_a_tree_is_drawn_with_its_strategies_counts_and_errors():
    front = supervisor("front", worker("a", restarts=2), worker("b"), strategy=Strategy.REST_FOR_ONE)
    assert shown(front, worker("c", State.FAILED, last_error="OSError: no", pid=9)) == [
        "host-1  pid 7  agents",
        "                          STATE    UPTIME  RESTARTS  PID  LAST ERROR",
        "mas (one_for_one)         running  1m 0s",
        "├── front (rest_for_one)  running  1m 0s",
        "│   ├── a                 running  0s      2",
        "│   └── b                 running  0s",
        "└── c                     failed                     9    OSError: no",
    ]


def test_time_goes_on_since_the_runner_last_told_for_those_that_are_up():
    drawn = shown(worker("a", uptime=1.0), worker("b", State.PAUSED), worker("c", State.STOPPED), silent=4.0)
    assert [line.split()[2:] for line in drawn[3:]] == [["running", "5s"], ["paused", "4s"], ["stopped"]]
    assert "silent" not in drawn[0]


def test_a_runner_that_has_not_told_for_long_is_called_silent():
    assert shown(silent=12.0)[0] == "host-1  pid 7  agents  silent for 12s"


@pytest.mark.parametrize("width", [75, 80, 100])
def test_an_error_is_cut_to_what_the_terminal_shows(width):
    (*_, row) = shown(worker("a", last_error=ERROR), width=width)
    assert len(row) == width
    assert row.endswith("x…")


def test_a_piece_of_the_error_is_shown_however_narrow_the_terminal_is():
    (*_, row) = shown(worker("a", last_error=ERROR), width=10)
    assert row.endswith("ValueError: xxxxxxx…")


def test_where_no_terminal_is_nothing_is_cut():
    (*_, row) = shown(worker("a", last_error=ERROR))
    assert row.endswith(ERROR)


def test_an_error_stays_on_its_line():
    assert shown(worker("a", last_error="a\nb\x1b[2J"))[-1].endswith("a\\nb\\x1b[2J")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (59, "59s"), (61, "1m 1s"), (7261, "2h 1m"), (90_000, "1d 1h")],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds, text):
    assert duration(seconds) == text
