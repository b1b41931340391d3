"""A pool's children come and go."""

import anyio
import pytest

from mas.errors import RestartsExhausted
from mas.supervision import Budget, Child, Declined, Restart, Strategy
from tests.supervision.stage import NO_DELAY, states


@pytest.mark.parametrize(
    ("restart", "error"),
    [(Restart.TEMPORARY, None), (Restart.TEMPORARY, ValueError("x")), (Restart.TRANSIENT, None)],
)
async def test_a_child_that_is_done_is_forgotten(stage, restart, error):
    pool = stage.supervisor(strategy=Strategy.POOL)
    async with stage.open(pool):
        for name in ("a", "b"):
            await pool.add_child(stage.child(name, restart=restart))
        if error is None:
            stage["a"].leave()
        else:
            stage["a"].crash(error)
        await stage.clock.settle()
        assert states(pool.tree()) == "b:running"
        await pool.add_child(stage.child("a"))


async def test_a_child_that_declines_is_forgotten(stage):
    async def declines(*, task_status):
        raise Declined

    pool = stage.supervisor(strategy=Strategy.POOL)
    async with stage.open(pool):
        await pool.add_child(Child("nothing", declines))
        assert states(pool.tree()) == ""


async def test_a_child_that_fails_is_restarted_alone(stage):
    pool = stage.supervisor("a", "b", strategy=Strategy.POOL, budget=Budget(1), backoff=NO_DELAY)
    async with stage.open(pool):
        stage["a"].crash()
        await stage.clock.settle()
        assert states(pool.tree()) == "a:running b:running"
        assert stage["b"].starts == 1
        stage["b"].crash()
        await stage.clock.settle()
    assert isinstance(stage.outcome, RestartsExhausted)


async def test_a_child_given_up_stays_listed(stage):
    pool = stage.supervisor(stage.child("a", budget=Budget(0)), strategy=Strategy.POOL)
    async with stage.open(pool):
        stage["a"].crash()
        await stage.clock.settle()
        assert states(pool.tree()) == "a:failed"


async def test_children_of_a_pool_stop_together(stage):
    class Slow:
        async def run(self, *, task_status):
            task_status.started()
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await stage.clock.sleep(3)

    slow = [Child(str(n), Slow()) for n in range(10)]
    pool = stage.supervisor("a", *slow, strategy=Strategy.POOL)
    async with stage.open(pool):
        await pool.stop("a")
        pool.shutdown()
        await stage.clock.advance(3)
        assert stage.ended


async def test_removing_a_child_that_is_just_ending_is_no_error(stage):
    pool = stage.supervisor(stage.child("a", restart=Restart.TEMPORARY), strategy=Strategy.POOL)
    async with stage.open(pool):
        stage["a"].leave()
        await pool.remove_child("a")
        assert states(pool.tree()) == ""
