"""A restart on request that goes by the strategy: whom a failure would concern, a request concerns too."""

import anyio
import pytest

from mas.errors import StartFailed, SupervisionError
from mas.supervision import Budget, Restart, Strategy
from tests.supervision.stage import states


def counts(snapshot) -> str:
    return " ".join(f"{child.name}:{child.restarts}" for child in snapshot.children)


async def test_under_rest_for_one_it_and_those_after_it_restart_in_order(stage):
    supervisor = stage.supervisor("a", "b", "c", "d", strategy=Strategy.REST_FOR_ONE)
    async with stage.open(supervisor):
        stage.seen()
        await supervisor.restart("b", by_strategy=True)
        assert stage.seen() == "-d -c -b +b +c +d"
        assert counts(supervisor.tree()) == "a:0 b:1 c:1 d:1"
        assert states(supervisor.tree()) == "a:running b:running c:running d:running"


async def test_under_one_for_all_everyone_restarts(stage):
    supervisor = stage.supervisor("a", "b", "c", strategy=Strategy.ONE_FOR_ALL)
    async with stage.open(supervisor):
        stage.seen()
        await supervisor.restart("b", by_strategy=True)
        assert stage.seen() == "-c -b -a +a +b +c"
        assert counts(supervisor.tree()) == "a:1 b:1 c:1"


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ONE, Strategy.POOL])
async def test_where_nobody_depends_on_it_it_restarts_alone(stage, strategy):
    supervisor = stage.supervisor("a", "b", strategy=strategy)
    async with stage.open(supervisor):
        stage.seen()
        await supervisor.restart("a", by_strategy=True)
        assert stage.seen() == "-a +a"
        assert counts(supervisor.tree()) == "a:1 b:0"


async def test_without_asking_for_it_the_siblings_are_left_alone(stage):
    supervisor = stage.supervisor("a", "b", strategy=Strategy.ONE_FOR_ALL)
    async with stage.open(supervisor):
        stage.seen()
        await supervisor.restart("a")
        assert stage.seen() == "-a +a"


async def test_siblings_that_were_stopped_or_are_temporary_stay_as_they_are(stage):
    bystander = stage.child("c", restart=Restart.TEMPORARY)
    supervisor = stage.supervisor("a", "b", bystander, "d", strategy=Strategy.REST_FOR_ONE)
    async with stage.open(supervisor):
        await supervisor.stop("b")
        stage.seen()
        await supervisor.restart("a", by_strategy=True)
        assert stage.seen() == "-d -a +a +d"
        assert states(supervisor.tree()) == "a:running b:stopped c:running d:running"


async def test_a_child_that_was_stopped_comes_back_when_it_is_the_one_asked_for(stage):
    supervisor = stage.supervisor("a", "b", strategy=Strategy.REST_FOR_ONE)
    async with stage.open(supervisor):
        await supervisor.stop("a")
        stage.seen()
        await supervisor.restart("a", by_strategy=True)
        assert stage.seen() == "-b +a +b"


async def test_a_child_in_back_off_waits_no_longer_and_its_siblings_come_with_it(stage):
    supervisor = stage.supervisor("a", "b", strategy=Strategy.ONE_FOR_ALL)
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        stage.seen()
        await supervisor.restart("a", by_strategy=True)
        await stage.clock.advance(60)
        assert stage.seen() == "+a +b"
        assert states(supervisor.tree()) == "a:running b:running"


async def test_it_costs_no_budget(stage):
    supervisor = stage.supervisor("a", "b", strategy=Strategy.ONE_FOR_ALL, budget=Budget(0, 60))
    async with stage.open(supervisor):
        for _ in range(3):
            await supervisor.restart("b", by_strategy=True)
        assert counts(supervisor.tree()) == "a:3 b:3"
        assert stage.outcome is None


async def test_one_that_does_not_start_is_told_and_mended_like_any_other(stage):
    supervisor = stage.supervisor("a", "b", "c", strategy=Strategy.REST_FOR_ONE)
    async with stage.open(supervisor):
        stage["b"].fails_to_start = [ValueError("not now")]
        stage.seen()
        with pytest.raises(StartFailed, match="b did not start: ValueError: not now"):
            await supervisor.restart("a", by_strategy=True)
        assert stage.seen() == "-c -b -a +a ?b"
        assert states(supervisor.tree()) == "a:running b:backoff c:restarting"
        await stage.clock.advance(1)
        assert stage.seen() == "+b +c"


async def test_one_that_is_stopped_meanwhile_stays_down_and_that_is_told(stage):
    supervisor = stage.supervisor("a", "b", strategy=Strategy.REST_FOR_ONE)
    async with stage.open(supervisor):
        gate = stage.gate()
        original = stage["a"].run

        async def slow(*, task_status):
            await gate.wait()
            await original(task_status=task_status)

        stage["a"].run = slow

        refusals = []

        async def restart():
            try:
                await supervisor.restart("a", by_strategy=True)
            except SupervisionError as error:
                refusals.append(str(error))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(restart)
            await stage.clock.settle()
            await supervisor.stop("a")
        assert refusals == ["a was stopped meanwhile"]
        assert states(supervisor.tree()) == "a:stopped b:running"
