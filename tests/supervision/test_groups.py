"""one_for_all and rest_for_one: those who depend on each other go down and come back together."""

import anyio
import pytest

from mas.errors import RestartsExhausted
from mas.supervision import Backoff, Budget, Child, Restart, Strategy
from mas.supervision.events import Failed, Restarting
from tests.supervision.stage import NO_DELAY, states


async def test_one_for_all_stops_in_reverse_waits_and_starts_in_order(stage):
    supervisor = stage.supervisor("a", "b", "c", strategy=Strategy.ONE_FOR_ALL)
    async with stage.open(supervisor):
        stage.seen()
        stage["b"].crash()
        await stage.clock.settle()
        assert stage.seen() == "-b -c -a"
        assert states(supervisor.tree()) == "a:restarting b:backoff c:restarting"
        await stage.clock.advance(0.1)
        assert stage.seen() == "+a +b +c"
        assert states(supervisor.tree()) == "a:running b:running c:running"


async def test_rest_for_one_leaves_those_declared_before_alone(stage):
    supervisor = stage.supervisor("a", "b", "c", strategy=Strategy.REST_FOR_ONE)
    async with stage.open(supervisor):
        stage.seen()
        stage["b"].crash()
        await stage.clock.settle()
        assert stage.seen() == "-b -c"
        assert states(supervisor.tree()) == "a:running b:backoff c:restarting"
        await stage.clock.advance(0.1)
        assert stage.seen() == "+b +c"


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_a_temporary_bystander_is_not_revived(stage, strategy):
    bystander = stage.child("b", restart=Restart.TEMPORARY)
    supervisor = stage.supervisor("a", bystander, "c", strategy=strategy)
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "a:running b:stopped c:running"
        assert stage["b"].starts == 1


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_a_temporary_child_that_ends_takes_nobody_down(stage, strategy):
    supervisor = stage.supervisor(stage.child("a", restart=Restart.TEMPORARY), "b", strategy=strategy)
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "a:failed b:running"
        assert stage["b"].starts == 1


async def test_a_transient_child_that_finished_is_revived_with_its_group(stage):
    supervisor = stage.supervisor(
        stage.child("migrate", restart=Restart.TRANSIENT), "b", strategy=Strategy.ONE_FOR_ALL
    )
    async with stage.open(supervisor):
        stage["migrate"].leave()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "migrate:finished b:running"
        stage["b"].crash()
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "migrate:running b:running"


async def test_one_for_all_when_another_child_does_not_start_tries_all_again(stage):
    supervisor = stage.supervisor("a", "b", "c", strategy=Strategy.ONE_FOR_ALL, backoff=NO_DELAY)
    async with stage.open(supervisor):
        stage.seen()
        stage["b"].fails_to_start = [OSError("not yet")]
        stage["c"].crash()
        await stage.clock.settle()
        assert stage.seen() == "-c -b -a +a ?b -a +a +b +c"
        assert [child.restarts for child in supervisor.tree().children] == [2, 2, 1]


async def test_rest_for_one_when_another_child_does_not_start_goes_on_from_there(stage):
    supervisor = stage.supervisor("a", "b", "c", strategy=Strategy.REST_FOR_ONE, backoff=NO_DELAY)
    async with stage.open(supervisor):
        stage.seen()
        stage["b"].fails_to_start = [OSError("not yet")]
        stage["a"].crash()
        await stage.clock.settle()
        assert stage.seen() == "-a -c -b +a ?b +b +c"
        assert [child.restarts for child in supervisor.tree().children] == [1, 2, 1]


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_a_group_that_keeps_failing_escalates(stage, strategy):
    supervisor = stage.supervisor("a", "b", strategy=strategy, budget=Budget(2), backoff=NO_DELAY)
    async with stage.open(supervisor):
        stage["b"].fails_to_start = [OSError("1"), OSError("2")]
        stage["a"].crash()
        await stage.clock.settle()
        assert stage.ended
    assert isinstance(stage.outcome, RestartsExhausted)
    assert stage.outcome.child == "b"
    assert states(supervisor.tree()) == "a:stopped b:failed"


async def test_two_children_of_one_group_failing_in_the_same_tick_cost_one_restart(stage):
    supervisor = stage.supervisor("a", "b", strategy=Strategy.ONE_FOR_ALL, budget=Budget(1), backoff=NO_DELAY)
    async with stage.open(supervisor):
        stage["a"].crash()
        stage["b"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running b:running"
        assert sorted(stage.told(Failed)) == ["a", "b"]
        assert len(stage.told(Restarting)) == 1


async def test_two_independent_children_failing_in_the_same_tick_cost_two_restarts(stage):
    supervisor = stage.supervisor("a", "b", budget=Budget(1), backoff=NO_DELAY)
    async with stage.open(supervisor):
        stage["a"].crash()
        stage["b"].crash()
        await stage.clock.settle()
        assert stage.ended
    assert isinstance(stage.outcome, RestartsExhausted)


async def test_an_earlier_child_that_fails_during_back_off_widens_the_restart(stage):
    supervisor = stage.supervisor("a", "b", "c", "d", strategy=Strategy.REST_FOR_ONE)
    async with stage.open(supervisor):
        stage.seen()
        stage["c"].crash()
        await stage.clock.settle()
        stage["b"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running b:backoff c:restarting d:restarting"
        await stage.clock.advance(1)
        assert stage.seen() == "-c -d -b +b +c +d"


async def test_of_several_that_failed_the_longest_back_off_counts(stage):
    patient = stage.child("b", backoff=Backoff(first=10.0))
    supervisor = stage.supervisor("a", patient, strategy=Strategy.REST_FOR_ONE)
    async with stage.open(supervisor):
        stage.seen()
        stage["b"].crash()
        await stage.clock.settle()
        stage["a"].crash()
        await stage.clock.advance(9.9)
        assert stage.seen() == "-b -a"
        await stage.clock.advance(0.1)
        assert stage.seen() == "+a +b"


async def test_a_child_that_fails_while_the_group_comes_back_takes_it_down_again(stage):
    gate = anyio.Event()

    async def slow(*, task_status):
        stage.journal.append("+slow")
        await gate.wait()
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            stage.journal.append("-slow")

    gate.set()
    supervisor = stage.supervisor(
        "a", Child("slow", slow), "c", strategy=Strategy.ONE_FOR_ALL, backoff=NO_DELAY
    )
    async with stage.open(supervisor):
        stage.seen()
        gate = anyio.Event()
        stage["c"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running slow:starting c:backoff"
        stage["a"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:backoff slow:starting c:restarting"
        gate.set()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running slow:running c:running"
        assert stage.seen() == "-c -slow -a +a +slow -a -slow +a +slow +c"


async def test_a_child_dying_while_its_group_is_stopped_is_no_further_failure(stage):
    async def fragile(*, task_status):
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            raise OSError("while closing")

    supervisor = stage.supervisor(
        "a", Child("fragile", fragile), strategy=Strategy.ONE_FOR_ALL, budget=Budget(1), backoff=NO_DELAY
    )
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running fragile:running"
        assert supervisor.tree().children[1].last_error == "OSError: while closing"


async def test_a_bystander_that_ends_of_itself_before_it_is_stopped_comes_back_too(stage):
    release = anyio.Event()

    async def reluctant(*, task_status):
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await release.wait()

    temporary = stage.child("t", restart=Restart.TEMPORARY)
    supervisor = stage.supervisor(
        "a", temporary, "b", Child("reluctant", reluctant), strategy=Strategy.ONE_FOR_ALL, budget=Budget(1)
    )
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:backoff t:running b:running reluctant:stopping"
        stage["b"].crash()
        stage["t"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:backoff t:failed b:restarting reluctant:stopping"
        release.set()
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "a:running t:failed b:running reluctant:running"
        release = anyio.Event()
        release.set()
