"""Trees of supervisors: a failure climbs only as far as it must."""

import pytest

from mas.clock import ManualClock
from mas.errors import RestartsExhausted, StartFailed
from mas.supervision import Budget, Child, Restart, Strategy
from mas.supervision.events import Escalated, Event, Failed, Restarting, Started
from tests.supervision.stage import NO_DELAY, states


def _tree(stage, **inner):
    below = stage.supervisor("x", "y", name="inner", backoff=NO_DELAY, **inner)
    return stage.supervisor("a", Child("inner", below), "c", budget=Budget(1), backoff=NO_DELAY), below


async def test_a_failure_below_is_mended_below(stage):
    supervisor, _ = _tree(stage)
    async with stage.open(supervisor):
        assert stage.seen() == "+a +x +y +c"
        stage["x"].crash()
        await stage.clock.settle()
        assert stage.seen() == "-x +x"
        assert stage.told(Restarting) == ["inner/x"]
        assert stage.told(Started) == ["a", "inner/x", "inner/y", "inner", "c", "inner/x"]
    assert stage.seen() == "-c -y -x -a"


async def test_a_supervisor_whose_budget_is_spent_is_restarted_as_a_whole(stage):
    supervisor, inner = _tree(stage, budget=Budget(0))
    async with stage.open(supervisor):
        stage.seen()
        stage["x"].crash()
        await stage.clock.settle()
        assert stage.seen() == "-x -y +x +y"
        assert stage.told(Failed) == ["inner/x", "inner"]
        assert stage.told(Escalated) == ["inner"]
        assert supervisor.tree().find("inner").restarts == 1
        assert [child.restarts for child in inner.tree().children] == [0, 0]
        stage["y"].crash()
        await stage.clock.settle()
        assert stage.seen() == "-y -x -c -a"
    assert isinstance(stage.outcome, RestartsExhausted)
    assert stage.outcome.child == "inner"
    assert isinstance(stage.outcome.__cause__, RestartsExhausted)
    assert stage.outcome.__cause__.child == "inner/y"


async def test_a_supervisor_starts_over_with_the_children_declared_and_nothing_counted(stage):
    supervisor, inner = _tree(stage, budget=Budget(1))
    async with stage.open(supervisor):
        await supervisor.add_child(stage.child("z"), under="inner")
        for _ in range(2):
            stage["x"].crash()
            await stage.clock.settle()
        assert states(inner.tree()) == "x:running y:running"
        stage["x"].crash()
        await stage.clock.settle()
        assert not stage.ended


@pytest.mark.parametrize("restart", [Restart.TRANSIENT, Restart.TEMPORARY])
async def test_a_supervisor_that_fails_is_restarted_as_its_kind_demands(stage, restart):
    inner = stage.supervisor("x", name="inner", budget=Budget(0))
    supervisor = stage.supervisor("a", Child("inner", inner, restart=restart), backoff=NO_DELAY)
    async with stage.open(supervisor):
        stage["x"].crash()
        await stage.clock.settle()
        expected = "running" if restart is Restart.TRANSIENT else "failed"
        assert states(supervisor.tree()) == f"a:running inner:{expected}"


async def test_a_supervisor_that_is_shut_down_from_below_has_finished(stage):
    inner = stage.supervisor("x", name="inner")
    supervisor = stage.supervisor("a", Child("inner", inner, restart=Restart.TRANSIENT))
    async with stage.open(supervisor):
        inner.shutdown()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running inner:finished"


async def test_a_start_that_fails_below_fails_every_level_above(stage):
    supervisor, _ = _tree(stage)
    stage["y"].fails_to_start = [OSError("no port")]
    async with stage.open(supervisor):
        pass
    assert stage.seen() == "+a +x ?y -x -a"
    assert isinstance(stage.outcome, StartFailed)
    assert str(stage.outcome) == ("inner did not start: StartFailed: inner/y did not start: OSError: no port")


async def test_a_group_restart_takes_a_supervisor_down_in_order(stage):
    inner = stage.supervisor("x", "y", name="inner")
    supervisor = stage.supervisor(
        "a", Child("inner", inner.run), "c", strategy=Strategy.ONE_FOR_ALL, backoff=NO_DELAY
    )
    async with stage.open(supervisor):
        stage.seen()
        stage["a"].crash()
        await stage.clock.settle()
        assert stage.seen() == "-a -c -y -x +a +x +y +c"


async def test_a_supervisor_has_no_limit_of_time_for_its_start(stage):
    class Slow:
        async def run(self, *, task_status):
            await stage.clock.sleep(20)
            task_status.started()
            await stage.clock.sleep(1e9)

    inner = stage.supervisor(Child("1", Slow()), Child("2", Slow()), name="inner")
    supervisor = stage.supervisor(Child("inner", inner, start_timeout=30.0))
    async with stage.open(supervisor):
        await stage.clock.advance(40)
        assert supervisor.tree().state == "running"


async def test_a_supervisor_may_have_a_clock_and_a_listener_of_its_own(stage):
    clock = ManualClock(wall=5.0)
    heard: list[Event] = []
    inner = stage.supervisor("x", name="inner", clock=clock, on_event=heard.append)
    supervisor = stage.supervisor(Child("inner", inner))
    async with stage.open(supervisor):
        stage["x"].crash()
        await stage.clock.advance(60)
        assert states(inner.tree()) == "x:backoff"
        await clock.advance(1)
        assert states(inner.tree()) == "x:running"
    assert [event.path for event in heard] == ["inner/x"] * 5
    assert heard[0].at == 5.0
    assert set(heard) < set(stage.events)


async def test_deep_trees_start_and_stop_in_order(stage):
    supervisor = stage.supervisor("0", name="deepest")
    for depth in range(1, 12):
        supervisor = stage.supervisor(
            Child("below", supervisor), str(depth), name="root" if depth == 11 else f"level {depth}"
        )
    async with stage.open(supervisor):
        assert stage.seen() == " ".join(f"+{depth}" for depth in range(12))
    assert stage.seen() == " ".join(f"-{depth}" for depth in range(11, -1, -1))


async def test_a_supervisor_that_runs_already_cannot_be_added_and_stays_where_it_is(stage):
    inner = stage.supervisor("x", name="inner")
    supervisor = stage.supervisor(Child("inner", inner))
    async with stage.open(supervisor):
        with pytest.raises(StartFailed, match="inner is running already"):
            await supervisor.add_child(Child("again", inner))
        stage["x"].crash()
        await stage.clock.advance(1)
        assert stage.told(Restarting) == ["inner/x"]
        assert states(supervisor.tree()) == "inner:running"
