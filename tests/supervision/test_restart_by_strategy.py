"""A restart on request that goes by the strategy: whom a failure would concern, a request concerns too."""

import anyio
import pytest

from mas.errors import StartFailed, SupervisionError
from mas.supervision import Budget, Child, Restart, Strategy
from mas.supervision.events import GaveUp, Restarting
from tests.supervision.stage import NO_DELAY, states


class Slow:
    """A child that is ready, and gone, only when its gates are open."""

    def __init__(self, stage) -> None:
        self.stage = stage
        self.ready, self.end = stage.gate(), stage.gate()
        self.ready.set()
        self.end.set()

    async def run(self, *, task_status):
        self.stage.journal.append("+slow")
        try:
            await self.ready.wait()
            task_status.started()
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await self.end.wait()
            self.stage.journal.append("-slow")


async def restart(supervisor, name: str, refusals: list[str]) -> None:
    """Restart it by the strategy, and note why that was refused, if it was."""
    try:
        await supervisor.restart(name, by_strategy=True)
    except SupervisionError as error:
        refusals.append(str(error))


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
    slow = Slow(stage)
    supervisor = stage.supervisor(Child("slow", slow), "b", strategy=Strategy.REST_FOR_ONE)
    refusals: list[str] = []
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        slow.ready = stage.gate()
        tasks.start_soon(restart, supervisor, "slow", refusals)
        await stage.clock.settle()
        assert states(supervisor.tree()) == "slow:starting b:restarting"
        await supervisor.stop("slow")
        await stage.clock.settle()
        assert refusals == ["slow was stopped meanwhile"]
        assert states(supervisor.tree()) == "slow:stopped b:running"


async def test_a_sibling_stopped_while_it_is_being_ended_stays_down_and_the_others_come_back(stage):
    slow = Slow(stage)
    supervisor = stage.supervisor("a", Child("slow", slow), "c", strategy=Strategy.ONE_FOR_ALL)
    refusals: list[str] = []
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        stage.seen()
        slow.end = stage.gate()
        tasks.start_soon(restart, supervisor, "a", refusals)
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running slow:stopping c:restarting"
        tasks.start_soon(supervisor.stop, "slow")
        await stage.clock.settle()
        slow.end.set()
        await stage.clock.settle()
        assert stage.seen() == "-c -slow -a +a +c"
        assert states(supervisor.tree()) == "a:running slow:stopped c:running"
        assert refusals == []


async def test_one_that_is_being_removed_is_not_started_again(stage):
    slow = Slow(stage)
    supervisor = stage.supervisor("a", Child("slow", slow), "c", strategy=Strategy.ONE_FOR_ALL)
    refusals: list[str] = []
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        stage.seen()
        slow.end = stage.gate()
        tasks.start_soon(supervisor.remove_child, "slow")
        await stage.clock.settle()
        tasks.start_soon(restart, supervisor, "slow", refusals)
        await stage.clock.settle()
        slow.end.set()
        await stage.clock.settle()
        assert refusals == ["slow was removed meanwhile"]
        assert stage.seen() == "-slow"
        assert states(supervisor.tree()) == "a:running c:running"


async def test_one_that_fails_while_they_come_back_is_started_before_those_that_depend_on_it(stage):
    slow = Slow(stage)
    supervisor = stage.supervisor(
        "a", Child("slow", slow), "c", strategy=Strategy.REST_FOR_ONE, backoff=NO_DELAY
    )
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        stage.seen()
        slow.ready = stage.gate()
        tasks.start_soon(restart, supervisor, "a", [])
        await stage.clock.settle()
        stage["a"].crash()
        await stage.clock.settle()
        slow.ready.set()
        await stage.clock.settle()
        assert stage.seen() == "-c -slow -a +a +slow -a -slow +a +slow +c"
        assert states(supervisor.tree()) == "a:running slow:running c:running"


async def test_a_temporary_child_asked_for_is_not_revived_with_a_sibling_that_fails_meanwhile(stage):
    temporary = stage.child("t", restart=Restart.TEMPORARY)
    supervisor = stage.supervisor("a", temporary, "c", strategy=Strategy.ONE_FOR_ALL, backoff=NO_DELAY)
    async with stage.open(supervisor):
        stage.seen()
        stage["a"].fails_to_start = [OSError("not now")]
        with pytest.raises(StartFailed, match="not now"):
            await supervisor.restart("t", by_strategy=True)
        await stage.clock.settle()
        assert stage.seen() == "-c -t -a ?a +a +c"
        assert states(supervisor.tree()) == "a:running t:stopped c:running"


async def test_a_temporary_child_asked_for_is_tried_once_also_behind_a_sibling_that_is_given_up(stage):
    fragile = stage.child("a", budget=Budget(0))
    temporary = stage.child("t", restart=Restart.TEMPORARY)
    supervisor = stage.supervisor(
        fragile, temporary, "c", strategy=Strategy.ONE_FOR_ALL, budget=Budget(1), backoff=NO_DELAY
    )
    async with stage.open(supervisor):
        stage.seen()
        stage["a"].fails_to_start = [OSError("not now")]
        stage["t"].fails_to_start = [OSError("nor this")]
        with pytest.raises(StartFailed, match="a did not start: OSError: not now"):
            await supervisor.restart("t", by_strategy=True)
        await stage.clock.advance(60)
        assert stage.seen() == "-c -t -a ?a ?t +c"
        assert states(supervisor.tree()) == "a:failed t:failed c:running"
        assert stage.told(GaveUp) == ["a"]
        assert stage.told(Restarting) == []
    assert stage.outcome is None
