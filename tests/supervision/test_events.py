"""What a supervisor tells its listener and the log."""

import dataclasses
import logging

import pytest

from mas.supervision import Budget
from mas.supervision.events import Escalated, Failed, Restarting, Started, Stopped
from tests.supervision.stage import NO_DELAY, states


async def test_events_tell_the_story_in_order_with_wall_time(stage):
    supervisor = stage.supervisor("a", budget=Budget(1))
    began = stage.clock.wall()
    async with stage.open(supervisor):
        stage["a"].crash(first := ValueError("first"))
        await stage.clock.advance(2)
        stage["a"].crash(second := ValueError("second"))
        await stage.clock.settle()
    assert stage.events == [
        Started("a", began, 0.0),
        Failed("a", began, first),
        Restarting("a", began, 0.1),
        Started("a", began + 0.1, 0.0),
        Failed("a", began + 2, second),
        Escalated("", began + 2, stage.outcome),
    ]


async def test_an_event_cannot_be_changed(stage):
    async with stage.open(stage.supervisor("a")):
        pass
    assert [type(event) for event in stage.events] == [Started, Stopped]
    with pytest.raises(dataclasses.FrozenInstanceError):
        stage.events[0].path = "b"


async def test_a_listener_that_raises_is_logged_and_changes_nothing(stage, caplog):
    def broken(event) -> None:
        raise OSError("listener broke")

    supervisor = stage.supervisor("a", on_event=broken, backoff=NO_DELAY)
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running"
    assert "on_event raised on Failed of a" in caplog.text
    assert "listener broke" in caplog.text


async def test_each_event_is_one_line_of_the_log_with_its_weight(stage, caplog):
    caplog.set_level(logging.INFO, "mas.supervision")
    supervisor = stage.supervisor("a", stage.child("b", budget=Budget(0)), budget=Budget(1))
    async with stage.open(supervisor):
        stage["b"].crash()
        await stage.clock.settle()
        for _ in range(2):
            stage["a"].crash()
            await stage.clock.advance(1)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "a started"),
        ("INFO", "b started"),
        ("WARNING", "b failed: ValueError: b crashed"),
        ("ERROR", "b gave up: RestartsExhausted: b failed again after 0 restarts within 60 s"),
        ("WARNING", "a failed: ValueError: a crashed"),
        ("WARNING", "a restarting in 0.100 s"),
        ("INFO", "a started"),
        ("WARNING", "a failed: ValueError: a crashed"),
        ("ERROR", "root escalated: RestartsExhausted: a failed again after 1 restarts within 60 s"),
    ]
    assert [bool(record.exc_info) for record in caplog.records].count(True) == 3


async def test_a_log_that_is_turned_down_costs_nothing(stage, caplog):
    caplog.set_level(logging.ERROR, "mas.supervision")
    async with stage.open(stage.supervisor("a")):
        pass
    assert caplog.records == []
