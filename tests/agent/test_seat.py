"""What `agents.yaml` says of an agent is what its supervisor is told."""

from typing import Any

import pytest

from mas import Agent
from mas.ids import AgentId, new_instance_id
from mas.settings import AgentSettings, SupervisorSettings
from mas.supervision import Budget, Restart
from mas.system import Seat


class Plain(Agent[dict[str, Any]]):
    """Does nothing."""


def child(under: SupervisorSettings | None = None, **options: Any):
    spec = AgentSettings(agent_id=AgentId("a"), class_path="m:A", **options)
    around: Any = None  # needed only to run it
    return Seat("a", spec, Plain, "m:A", new_instance_id()).child(around, under)


def front(strategy: Any):
    return SupervisorSettings(name=AgentId("front"), children=(AgentId("a"),), strategy=strategy)


@pytest.mark.parametrize("seconds", [12.5, 0.0, None])
def test_its_time_to_stop_is_seconds_now_or_never(seconds):
    assert child(shutdown=seconds).shutdown == seconds


def test_its_kind_and_its_time_to_start_are_passed_on():
    told = child(restart="transient", start_timeout=7.0)
    assert (told.restart, told.start_timeout) == (Restart.TRANSIENT, 7.0)


@pytest.mark.parametrize(
    ("options", "under", "budget", "significant"),
    [
        ({}, None, Budget(5, 60.0), False),
        ({"max_restarts": 2}, None, Budget(2, 60.0), False),
        ({"within": 9.0}, None, Budget(5, 9.0), False),
        ({}, "one_for_one", None, False),
        ({}, "rest_for_one", None, False),
        ({"max_restarts": 0}, "one_for_one", Budget(0, 60.0), False),
        ({"max_restarts": 0}, "one_for_all", Budget(0, 60.0), True),
        ({"within": 9.0}, "rest_for_one", Budget(5, 9.0), True),
    ],
)
def test_its_own_budget_counts_and_matters_to_those_that_go_down_with_it(options, under, budget, significant):
    told = child(None if under is None else front(under), **options)
    assert (told.budget, told.significant) == (budget, significant)
