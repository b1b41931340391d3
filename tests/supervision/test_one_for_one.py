"""A failure concerns its child alone."""

import asyncio

import anyio
import pytest

from mas.errors import RestartsExhausted
from mas.supervision import Budget, Child, Restart, Strategy
from mas.supervision.events import Escalated, Failed, Restarting, Started
from tests.supervision.stage import NO_DELAY, states


async def test_children_start_in_declared_order_and_stop_in_reverse(stage):
    supervisor = stage.supervisor("a", "b", "c")
    async with stage.open(supervisor):
        assert stage.seen() == "+a +b +c"
        assert states(supervisor.tree()) == "a:running b:running c:running"
    assert stage.seen() == "-c -b -a"
    assert states(supervisor.tree()) == "a:stopped b:stopped c:stopped"


async def test_only_the_failed_child_is_restarted(stage):
    supervisor = stage.supervisor("a", "b", "c")
    async with stage.open(supervisor):
        stage.seen()
        stage["b"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running b:backoff c:running"
        await stage.clock.advance(0.1)
        assert states(supervisor.tree()) == "a:running b:running c:running"
        assert stage.seen() == "-b +b"
    assert stage.told(Failed) == ["b"]
    assert stage.told(Restarting) == ["b"]
    assert stage.told(Started) == ["a", "b", "c", "b"]


@pytest.mark.parametrize("strategy", Strategy)
async def test_exactly_max_restarts_are_allowed_and_one_more_escalates(stage, strategy):
    supervisor = stage.supervisor(
        "a", "b", strategy=strategy, budget=Budget(2, within=10.0), backoff=NO_DELAY
    )
    async with stage.open(supervisor):
        for _ in range(2):
            stage["a"].crash()
            await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running b:running"
        stage["a"].crash()
        await stage.clock.settle()
        assert stage.ended
    assert isinstance(stage.outcome, RestartsExhausted)
    assert isinstance(stage.outcome.__cause__, ValueError)
    assert stage.told(Escalated) == [""]
    assert states(supervisor.tree()) == "a:failed b:stopped"


@pytest.mark.parametrize("strategy", Strategy)
async def test_the_window_of_restarts_slides(stage, strategy):
    supervisor = stage.supervisor("a", strategy=strategy, budget=Budget(1, within=10.0), backoff=NO_DELAY)
    async with stage.open(supervisor):
        for _ in range(5):
            stage["a"].crash()
            await stage.clock.advance(10.5)
            assert states(supervisor.tree()) == "a:running"
        assert stage["a"].starts == 6
        stage["a"].crash()
        await stage.clock.advance(9.5)
        stage["a"].crash()
        await stage.clock.settle()
        assert stage.ended


async def cancelled_by_a_stranger(backend: str) -> None:
    """Be cancelled by somebody else than the supervisor."""
    if backend == "asyncio":
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await anyio.sleep_forever()
    # On trio nobody but the owner of a scope around it can: what is left is raising what another scope meant.
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class() as error:
            kept = error
    raise kept


@pytest.mark.parametrize(
    ("restart", "ending", "expected"),
    [
        (Restart.PERMANENT, "normal", "running"),
        (Restart.PERMANENT, "shutdown", "running"),
        (Restart.PERMANENT, "abnormal", "running"),
        (Restart.TRANSIENT, "normal", "finished"),
        (Restart.TRANSIENT, "shutdown", "finished"),
        (Restart.TRANSIENT, "abnormal", "running"),
        (Restart.TEMPORARY, "normal", "finished"),
        (Restart.TEMPORARY, "shutdown", "finished"),
        (Restart.TEMPORARY, "abnormal", "failed"),
    ],
)
async def test_whether_a_child_that_ends_is_restarted_depends_on_its_kind_and_its_ending(
    stage, anyio_backend, restart, ending, expected
):
    async def ends_once(*, task_status):
        stage.journal.append("up")
        task_status.started()
        if stage.journal.count("up") == 1:
            if ending == "abnormal":
                raise ValueError
            if ending == "shutdown":
                await cancelled_by_a_stranger(anyio_backend)
            return
        await anyio.sleep_forever()

    supervisor = stage.supervisor("a", Child("c", ends_once, restart=restart), backoff=NO_DELAY)
    async with stage.open(supervisor):
        await stage.clock.advance(60)
        assert states(supervisor.tree()) == f"a:running c:{expected}"
        assert stage.journal.count("up") == (2 if expected == "running" else 1)
    assert stage.outcome is None


async def test_a_temporary_child_is_never_restarted(stage):
    supervisor = stage.supervisor(stage.child("a", restart=Restart.TEMPORARY))
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.advance(60)
        assert states(supervisor.tree()) == "a:failed"
