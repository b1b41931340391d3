"""The rules that need no task: who, whether, how often, how long, in which way."""

import math

import pytest

from mas.errors import ConfigurationError
from mas.supervision import Backoff, Budget, Child, Restart, Strategy, Supervisor
from mas.supervision.budget import Window
from mas.supervision.child import Way, ways_to_stop
from mas.supervision.strategy import Ending, affected, calls_for_restart


async def idle(*, task_status):
    task_status.started()


@pytest.mark.parametrize(
    ("strategy", "failed", "expected"),
    [
        (Strategy.ONE_FOR_ONE, "a", "a"),
        (Strategy.ONE_FOR_ONE, "c", "c"),
        (Strategy.POOL, "b", "b"),
        (Strategy.ONE_FOR_ALL, "a", "abc"),
        (Strategy.ONE_FOR_ALL, "c", "abc"),
        (Strategy.REST_FOR_ONE, "a", "abc"),
        (Strategy.REST_FOR_ONE, "b", "bc"),
        (Strategy.REST_FOR_ONE, "c", "c"),
    ],
)
def test_a_failure_concerns_those_whom_the_strategy_names(strategy, failed, expected):
    assert "".join(affected(strategy, "abc", failed)) == expected


@pytest.mark.parametrize(
    ("restart", "ending", "expected"),
    [
        (Restart.PERMANENT, Ending.RETURNED, True),
        (Restart.PERMANENT, Ending.CANCELLED, True),
        (Restart.PERMANENT, Ending.RAISED, True),
        (Restart.TRANSIENT, Ending.RETURNED, False),
        (Restart.TRANSIENT, Ending.CANCELLED, False),
        (Restart.TRANSIENT, Ending.RAISED, True),
        (Restart.TEMPORARY, Ending.RETURNED, False),
        (Restart.TEMPORARY, Ending.CANCELLED, False),
        (Restart.TEMPORARY, Ending.RAISED, False),
    ],
)
def test_an_ending_calls_for_a_restart_as_in_erlang(restart, ending, expected):
    assert calls_for_restart(restart, ending) is expected


@pytest.mark.parametrize(
    ("budget", "times", "allowed"),
    [
        (Budget(0, 10), [0], [False]),
        (Budget(1, 10), [0, 1], [True, False]),
        (Budget(2, 10), [0, 1, 2], [True, True, False]),
        (Budget(1, 10), [0, 10], [True, False]),
        (Budget(1, 10), [0, 10.001], [True, True]),
        (Budget(2, 10), [0, 9, 11, 20, 22], [True, True, True, True, True]),
        (Budget(2, 10), [0, 9, 11, 18], [True, True, True, False]),
    ],
)
def test_a_budget_allows_so_many_restarts_in_a_window_that_slides(budget, times, allowed):
    window = Window(budget)
    assert [window.spend(now) for now in times] == allowed


def test_a_window_remembers_no_more_than_its_period():
    window = Window(Budget(3, within=10.0))
    for now in range(1000):
        window.spend(float(now))
    assert len(window._times) == 11


@pytest.mark.parametrize(
    ("failures", "jitter", "delay"),
    [(0, 1.0, 0.1), (1, 1.0, 0.2), (4, 1.0, 1.6), (4, 0.5, 0.8), (4, 0.0, 0.0), (9, 1.0, 30.0)],
)
def test_a_delay_doubles_up_to_the_cap_and_is_drawn_from_nothing_up(failures, jitter, delay):
    assert Backoff(first=0.1, cap=30.0).delay(failures, jitter) == pytest.approx(delay)


def test_a_delay_never_overflows():
    assert Backoff(first=0.1, cap=30.0).delay(10**9, 1.0) == 30.0


@pytest.mark.parametrize(
    ("spec", "now", "ways"),
    [
        ({}, False, [(Way.CANCEL, 5.0)]),
        ({"shutdown": 2.0}, False, [(Way.CANCEL, 2.0)]),
        ({"shutdown": None}, False, [(Way.CANCEL, None)]),
        ({"shutdown": 0}, False, [(Way.CANCEL, 7.0)]),
        ({"stop": print}, False, [(Way.ASK, 5.0), (Way.CANCEL, 7.0)]),
        ({"stop": print, "shutdown": None}, False, [(Way.ASK, None), (Way.CANCEL, 7.0)]),
        ({"stop": print, "shutdown": 0}, False, [(Way.CANCEL, 7.0)]),
        ({"stop": print}, True, [(Way.CANCEL, 7.0)]),
    ],
)
def test_a_child_is_asked_if_it_can_be_then_cancelled(spec, now, ways):
    assert list(ways_to_stop(Child("a", idle, unwind=7.0, **spec), now=now)) == ways


@pytest.mark.parametrize("run", [Supervisor("s"), Supervisor("s").run])
def test_a_nested_supervisor_gets_all_the_time_its_children_need(run):
    assert ways_to_stop(Child("a", run, shutdown=1.0), now=True) == ((Way.CANCEL, None),)


@pytest.mark.parametrize(
    "spec",
    [
        {"name": ""},
        {"name": "a/b"},
        {"run": None},
        {"run": "text"},
        {"start_timeout": 0},
        {"start_timeout": -1.0},
        {"start_timeout": math.nan},
        {"shutdown": -0.1},
        {"shutdown": math.nan},
        {"unwind": 0},
        {"pause": print},
        {"resume": print},
        {"restart": "sometimes"},
    ],
)
def test_a_child_that_cannot_be_is_refused(spec):
    with pytest.raises(ConfigurationError):
        Child(**({"name": "a", "run": idle} | spec))


def test_an_unknown_field_of_a_child_is_refused():
    with pytest.raises(TypeError, match="shut_down"):
        Child("a", idle, shut_down=1)  # type: ignore[call-arg] # ty: ignore[unknown-argument]


@pytest.mark.parametrize("arguments", [(-1, 1), (1, 0), (1, -1), (1, math.nan)])
def test_a_budget_that_cannot_be_is_refused(arguments):
    with pytest.raises(ConfigurationError):
        Budget(*arguments)


@pytest.mark.parametrize("arguments", [{"first": -1}, {"cap": math.nan}, {"healthy_after": -1}])
def test_a_backoff_that_cannot_be_is_refused(arguments):
    with pytest.raises(ConfigurationError):
        Backoff(**arguments)


def test_two_children_of_one_name_are_refused():
    with pytest.raises(ConfigurationError, match="two children are called a"):
        Supervisor("root", [Child("a", idle), Child("a", idle)])


def test_one_supervisor_in_two_places_is_refused():
    nested = Supervisor("nested")
    with pytest.raises(ConfigurationError, match="there already"):
        Supervisor("root", [Child("a", nested), Child("b", nested.run)])


def test_an_unknown_strategy_is_refused():
    with pytest.raises(ConfigurationError, match="one_for_none"):
        Supervisor("root", strategy="one_for_none")


def test_a_restart_and_a_strategy_may_be_given_as_text():
    child = Child("a", idle, restart="transient")  # type: ignore[arg-type] # ty: ignore[invalid-argument-type]
    assert child.restart is Restart.TRANSIENT
    Supervisor("root", [child], strategy="one_for_all")
