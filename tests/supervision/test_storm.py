"""Many children, many failures: the time stays in proportion, and the counts stay true."""

import gc
import logging
import sys
import time
from collections import Counter
from types import FrameType

import anyio
import pytest

from mas.errors import RestartsExhausted
from mas.supervision import Backoff, Budget, Child, Restart, Strategy, Supervisor
from mas.supervision.events import Failed, GaveUp, Restarting, Started
from tests.supervision.stage import NO_DELAY

MANY = 1_000


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL, "mas.supervision")


class Crasher:
    """A child that crashes a number of times, as soon as it is ready, and then stays."""

    def __init__(self, times: float) -> None:
        self.times = times
        self.starts = 0
        self.deepest = 0

    async def run(self, *, task_status):
        self.starts += 1
        self.deepest = max(self.deepest, _depth())
        task_status.started()
        await anyio.lowlevel.checkpoint()
        if self.starts <= self.times:
            raise ValueError
        await anyio.sleep_forever()


async def test_a_storm_of_crashing_children_within_the_budget_ends_with_all_of_them_up(stage):
    crashers = [Crasher(3) for _ in range(MANY)]
    children = [Child(str(number), crasher) for number, crasher in enumerate(crashers)]
    supervisor = stage.supervisor(*children, budget=Budget(3 * MANY, within=1e9))
    async with stage.open(supervisor):
        await stage.clock.advance(10)
        tree = supervisor.tree()
        assert tree.count("running") == MANY
        assert {child.restarts for child in tree.children} == {3}
        assert {crasher.starts for crasher in crashers} == {4}
        assert len(stage.told(Restarting)) == len(stage.told(Failed)) == 3 * MANY
        assert len(stage.told(Started)) == 4 * MANY
    assert stage.outcome is None


async def test_a_storm_beyond_the_budget_ends_with_all_of_them_down(stage):
    crashers = [Crasher(float("inf")) for _ in range(MANY)]
    children = [Child(str(number), crasher) for number, crasher in enumerate(crashers)]
    allowed = 2 * MANY + 500
    supervisor = stage.supervisor(*children, budget=Budget(allowed, within=1e9), backoff=NO_DELAY)
    async with stage.open(supervisor):
        await stage.clock.advance(1)
        assert stage.ended
    assert isinstance(stage.outcome, RestartsExhausted)
    assert len(stage.told(Restarting)) == allowed
    assert supervisor.tree().count("running", "starting", "backoff", "restarting", "stopping") == 0


class Troop:
    """Children that run until all of them crash in one tick; afterwards they stay."""

    def __init__(self) -> None:
        self.crash = anyio.Event()
        self.starts: Counter[str] = Counter()
        self.deepest = 0

    def child(self, name: str) -> Child:
        async def run(*, task_status):
            self.starts[name] += 1
            self.deepest = max(self.deepest, _depth())
            task_status.started()
            if not self.crash.is_set():
                await self.crash.wait()
                raise ValueError(name)
            await anyio.sleep_forever()

        return Child(name, run)


@pytest.mark.parametrize("strategy", Strategy)
async def test_a_thousand_that_crash_at_once_cost_what_the_strategy_says_and_are_up_again(stage, strategy):
    alone = strategy in {Strategy.ONE_FOR_ONE, Strategy.POOL}
    # Under rest_for_one it depends on who is heard first: whoever stands after it goes down with it.
    allowed = {Strategy.ONE_FOR_ALL: 1}.get(strategy, MANY)
    few, troop = Troop(), Troop()
    async with stage.open(stage.supervisor(few.child("0"), budget=Budget(1))):
        few.crash.set()
        await stage.clock.advance(1)
    stage.events.clear()
    children = [troop.child(str(number)) for number in range(MANY)]
    supervisor = stage.supervisor(*children, strategy=strategy, budget=Budget(allowed, within=1e9))
    async with stage.open(supervisor):
        assert supervisor.tree().count("running") == MANY
        troop.crash.set()
        await stage.clock.settle()
        assert supervisor.tree().count("backoff", "restarting") == MANY
        await stage.clock.advance(10)
        tree = supervisor.tree()
        assert tree.count("running") == MANY
        assert {child.restarts for child in tree.children} == {1}
        assert set(troop.starts.values()) == {2}
        assert len(stage.told(Failed)) == MANY
        restarts = len(stage.told(Restarting))
        assert restarts == MANY if alone else restarts <= allowed
    assert stage.outcome is None
    assert troop.deepest <= few.deepest + 2


async def test_a_thousand_that_crash_at_once_with_one_restart_too_few_all_end_down(stage):
    troop = Troop()
    children = [troop.child(str(number)) for number in range(MANY)]
    supervisor = stage.supervisor(*children, budget=Budget(MANY - 1, within=1e9))
    async with stage.open(supervisor):
        troop.crash.set()
        await stage.clock.settle()
        assert stage.ended
    assert isinstance(stage.outcome, RestartsExhausted)
    assert len(stage.told(Restarting)) == MANY - 1
    assert set(troop.starts.values()) == {1}
    assert supervisor.tree().count("failed") == MANY


async def test_a_storm_of_children_with_budgets_of_their_own_ends_with_each_given_up(stage):
    children = [
        Child(str(number), Crasher(float("inf")), budget=Budget(2, within=1e9)) for number in range(MANY)
    ]
    supervisor = stage.supervisor("calm", *children, budget=Budget(0))
    async with stage.open(supervisor):
        await stage.clock.advance(10)
        tree = supervisor.tree()
        assert tree.count("failed") == len(stage.told(GaveUp)) == MANY
        assert {child.restarts for child in tree.children[1:]} == {2}
        assert stage["calm"].starts == 1


async def test_thousands_of_restarts_of_one_child_do_not_deepen_the_stack(stage):
    crasher = Crasher(3_000)
    supervisor = stage.supervisor(Child("c", crasher), budget=Budget(3_000, within=1e9), backoff=NO_DELAY)
    with anyio.fail_after(60):
        async with stage.open(supervisor):
            while crasher.starts <= 3_000:
                await anyio.lowlevel.checkpoint()
    shallow = Crasher(0)
    async with stage.open(stage.supervisor(Child("c", shallow))):
        pass
    assert crasher.deepest <= shallow.deepest + 2


async def test_a_pool_through_which_thousands_pass_keeps_none_of_them(stage):
    pool = stage.supervisor(strategy=Strategy.POOL)

    async def brief(*, task_status):
        task_status.started()

    async with stage.open(pool):
        for number in range(2 * MANY):
            await pool.add_child(Child(str(number), brief, restart=Restart.TEMPORARY))
        await stage.clock.settle()
        assert pool.tree().children == ()


@pytest.fixture
def _no_collections():
    """The collector's share grows with what else the process holds."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.alone
@pytest.mark.usefixtures("_no_collections")
@pytest.mark.parametrize("strategy", Strategy)
async def test_ten_times_the_children_take_about_ten_times_the_time(strategy):
    few, many = [], []
    for _ in range(3):
        few.append(await _cost(strategy, MANY // 10))
        many.append(await _cost(strategy, MANY))
    assert min(many) / min(few) < 20  # a hundred, if the work grew with the square


def _depth() -> int:
    depth = 0
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    return depth


async def _cost(strategy: Strategy, number: int) -> float:
    """Return the processor seconds it takes to start so many, crash the first, mend, and stop them."""
    crash, up = anyio.Event(), 0

    async def child(*, task_status):
        nonlocal up
        up += 1
        task_status.started()
        if up == 1:
            await crash.wait()
            raise ValueError
        await anyio.sleep_forever()

    children = [Child(str(index), child) for index in range(number)]
    supervisor = Supervisor("many", children, strategy=strategy, backoff=Backoff(first=0))
    affected = 1 if strategy in {Strategy.ONE_FOR_ONE, Strategy.POOL} else number
    began = time.process_time()
    async with anyio.create_task_group() as tasks:
        await tasks.start(supervisor.run)
        crash.set()
        while up < number + affected:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    return time.process_time() - began
