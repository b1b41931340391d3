"""Readiness is a promise: what starting means, and what happens when it does not work."""

import anyio
import pytest

from mas.errors import RestartsExhausted, StartFailed, SupervisionError
from mas.supervision import Budget, Child, Declined, Restart, Strategy, Supervisor
from mas.supervision.events import Declined as DeclinedEvent
from mas.supervision.events import Failed, Started, Stopped
from tests.supervision.stage import NO_DELAY, states

EVERY = list(Strategy)


async def never_ready(*, task_status):
    await anyio.sleep_forever()


async def returns_early(*, task_status):
    pass


async def declines(*, task_status):
    raise Declined


async def test_a_supervisor_is_ready_once_all_its_children_are(stage):
    gate = anyio.Event()

    async def slow(*, task_status):
        await gate.wait()
        task_status.started()
        await anyio.sleep_forever()

    supervisor = stage.supervisor("a", Child("slow", slow), "b")
    ready = anyio.Event()

    async def start(tasks):
        await tasks.start(supervisor.run)
        ready.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(start, tasks)
        await stage.clock.settle()
        assert not ready.is_set()
        assert states(supervisor.tree()) == "a:running slow:starting b:stopped"
        assert supervisor.tree().state == "starting"
        gate.set()
        await ready.wait()
        assert states(supervisor.tree()) == "a:running slow:running b:running"
        assert supervisor.tree().state == "running"
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("strategy", EVERY)
async def test_a_start_that_raises_stops_those_already_started_in_reverse(stage, strategy):
    supervisor = stage.supervisor("a", "b", "c", "d", strategy=strategy)
    stage["c"].fails_to_start = [OSError("no port")]
    async with stage.open(supervisor):
        assert stage.ended
    assert sorted(stage.journal) == ["+a", "+b", "-a", "-b", "?c"]
    if strategy is not Strategy.POOL:
        assert stage.seen() == "+a +b ?c -b -a"
    assert isinstance(stage.outcome, StartFailed)
    assert stage.outcome.child == "c"
    assert "no port" in str(stage.outcome)
    assert isinstance(stage.outcome.__cause__, OSError)
    assert stage.told(Failed) == ["c"]
    assert states(supervisor.tree()) == "a:stopped b:stopped c:failed d:stopped"


async def test_a_start_that_fails_reaches_whoever_waits_for_it(stage):
    supervisor = stage.supervisor("a")
    stage["a"].fails_to_start = [OSError("no port")]
    async with anyio.create_task_group() as tasks:
        with pytest.raises(StartFailed, match="a did not start: OSError: no port"):
            await tasks.start(supervisor.run)


async def test_a_start_that_overruns_its_time_is_a_failure_of_the_start(stage):
    supervisor = stage.supervisor("a", Child("slow", never_ready, start_timeout=3.0), "b")
    async with stage.open(supervisor):
        await stage.clock.advance(2.9)
        assert not stage.ended
        await stage.clock.advance(0.2)
        assert stage.ended
    assert stage.seen() == "+a -a"
    assert str(stage.outcome) == "slow was not ready within 3 s"


async def test_a_start_without_limit_is_waited_for(stage):
    supervisor = stage.supervisor(Child("slow", never_ready, start_timeout=None))
    async with stage.open(supervisor):
        await stage.clock.advance(100_000)
        assert states(supervisor.tree()) == "slow:starting"


async def test_a_child_that_returns_before_it_is_ready_has_failed_to_start(stage):
    supervisor = stage.supervisor(Child("early", returns_early))
    async with stage.open(supervisor):
        pass
    assert str(stage.outcome) == "early returned before it was ready"


async def test_a_child_that_cannot_be_called_has_failed_to_start(stage):
    supervisor = stage.supervisor(Child("odd", lambda: None))  # type: ignore[arg-type,return-value] # ty: ignore[invalid-argument-type]
    async with stage.open(supervisor):
        pass
    assert isinstance(stage.outcome, StartFailed)
    assert isinstance(stage.outcome.__cause__, TypeError)


async def test_a_child_may_decline_and_its_siblings_start_without_it(stage):
    supervisor = stage.supervisor("a", Child("nothing", declines), "b")
    async with stage.open(supervisor):
        assert states(supervisor.tree()) == "a:running nothing:stopped b:running"
        assert stage.told(DeclinedEvent) == ["nothing"]
    assert stage.outcome is None


async def test_a_child_that_declined_is_asked_again_when_its_group_restarts(stage):
    supervisor = stage.supervisor("a", Child("nothing", declines), strategy=Strategy.ONE_FOR_ALL)
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "a:running nothing:stopped"
        assert stage.told(DeclinedEvent) == ["nothing", "nothing"]


async def test_a_failed_start_during_a_restart_counts_against_the_budget(stage):
    supervisor = stage.supervisor("a", budget=Budget(3, within=60.0), backoff=NO_DELAY)
    async with stage.open(supervisor):
        stage["a"].fails_to_start = [OSError("1"), OSError("2"), OSError("3")]
        stage["a"].crash()
        await stage.clock.settle()
        assert stage.ended
    assert stage.seen() == "+a -a ?a ?a ?a"
    assert isinstance(stage.outcome, RestartsExhausted)
    assert stage.outcome.restarts == 3
    assert isinstance(stage.outcome.__cause__, StartFailed)


async def test_a_start_that_overruns_during_a_restart_counts_against_the_budget(stage):
    slow = False

    async def moody(*, task_status):
        if slow:
            await anyio.sleep_forever()
        task_status.started()
        await crash.wait()
        raise ValueError

    crash = anyio.Event()
    child = Child("moody", moody, start_timeout=2.0)
    supervisor = stage.supervisor(child, budget=Budget(2, within=60.0), backoff=NO_DELAY)
    async with stage.open(supervisor):
        slow = True
        crash.set()
        await stage.clock.advance(2.1)
        assert states(supervisor.tree()) == "moody:starting"
        await stage.clock.advance(2)
        assert stage.ended
    assert isinstance(stage.outcome, RestartsExhausted)
    assert stage.told(Stopped) == ["moody", "moody"]


async def test_saying_ready_twice_is_an_error_of_the_child(stage):
    async def eager(*, task_status):
        task_status.started()
        task_status.started()

    supervisor = stage.supervisor(Child("eager", eager, restart=Restart.TEMPORARY))
    async with stage.open(supervisor):
        assert supervisor.tree().children[0].last_error.startswith("RuntimeError: called 'started' twice")


async def test_saying_ready_after_being_told_to_stop_comes_too_late(stage):
    async def late(*, task_status):
        try:
            await anyio.sleep_forever()
        finally:
            task_status.started()

    supervisor = stage.supervisor(Child("late", late, start_timeout=1.0))
    async with stage.open(supervisor):
        await stage.clock.advance(1)
        assert stage.ended
    assert stage.told(Started) == []
    assert str(stage.outcome) == "late was not ready within 1 s"


@pytest.mark.parametrize("hops", range(8))
async def test_cancellation_racing_started_leaves_nothing_running(stage, hops):
    async def quick(*, task_status):
        stage.journal.append("+quick")
        try:
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            task_status.started()
            await anyio.sleep_forever()
        finally:
            stage.journal.append("-quick")

    supervisor = stage.supervisor("a", Child("quick", quick))
    before = len(anyio.get_running_tasks())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tasks.start, supervisor.run)
        for _ in range(hops):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert len(anyio.get_running_tasks()) == before
    page = stage.seen().split()
    assert page in ([], ["+a", "-a"], ["+a", "+quick", "-quick", "-a"])
    assert supervisor.tree().count("running", "starting") == 0


async def test_two_children_that_fail_while_the_others_start_are_mended_afterwards(stage):
    gate = anyio.Event()

    async def slow(*, task_status):
        stage.journal.append("+slow")
        await gate.wait()
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            stage.journal.append("-slow")

    supervisor = stage.supervisor("a", "b", Child("slow", slow), strategy=Strategy.ONE_FOR_ALL)
    async with stage.open(supervisor):
        stage["a"].crash()
        stage["b"].crash()
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "a:failed b:failed slow:starting"
        gate.set()
        await stage.clock.settle()
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "a:running b:running slow:running"
        page = stage.seen()
        assert page.endswith("-slow +a +b +slow")
        assert [child.restarts for child in supervisor.tree().children] == [1, 1, 1]


async def test_a_supervisor_runs_only_once_at_a_time_but_again_afterwards(stage):
    supervisor = stage.supervisor("a")
    async with stage.open(supervisor):
        with pytest.raises(SupervisionError, match="is running already"):
            await supervisor.run()
    async with stage.open(supervisor):
        assert states(supervisor.tree()) == "a:running"
    assert stage.seen() == "+a -a +a -a"


async def test_a_supervisor_without_children_is_ready_and_waits(stage):
    supervisor = Supervisor("empty")
    async with anyio.create_task_group() as tasks:
        await tasks.start(supervisor.run)
        assert supervisor.tree().state == "running"
        supervisor.shutdown()
    assert supervisor.tree().state == "stopped"


async def test_a_start_that_fails_while_the_supervisor_begins_to_stop_is_not_left_as_starting(stage):
    async def fails(*, task_status):
        supervisor.shutdown()
        raise OSError("no port")

    supervisor = stage.supervisor("a", Child("f", fails))
    async with stage.open(supervisor):
        assert stage.ended
    assert states(supervisor.tree()) == "a:stopped f:failed"
    assert supervisor.tree().children[1].last_error == "OSError: no port"
