"""Delays between restarts, and when they are forgotten."""

import time

import anyio
import pytest
from trio.testing import MockClock

from mas.clock import SYSTEM
from mas.supervision import Backoff, Budget, Child, Restart
from mas.supervision.events import Restarting
from tests.supervision.stage import states

PATIENT = Budget(1000)


def _delays(stage):
    return [event.delay for event in stage.events if isinstance(event, Restarting)]


async def test_the_delay_doubles_while_a_child_keeps_failing(stage):
    backoff = Backoff(first=1.0, cap=5.0, healthy_after=60.0)
    supervisor = stage.supervisor("a", budget=PATIENT, backoff=backoff)
    async with stage.open(supervisor):
        for _ in range(5):
            stage["a"].crash()
            await stage.clock.advance(5)
    assert _delays(stage) == [1.0, 2.0, 4.0, 5.0, 5.0]


async def test_a_healthy_stretch_forgets_the_failures(stage):
    backoff = Backoff(first=1.0, cap=50.0, healthy_after=60.0)
    supervisor = stage.supervisor("a", budget=PATIENT, backoff=backoff)
    async with stage.open(supervisor):
        for healthy in (10, 59, 65, 10):
            stage["a"].crash()
            await stage.clock.advance(healthy)
            assert states(supervisor.tree()) == "a:running"
        stage["a"].crash()
        await stage.clock.settle()
    assert _delays(stage) == [1.0, 2.0, 4.0, 1.0, 2.0]


async def test_each_child_has_its_own_delay(stage):
    own = stage.child("b", backoff=Backoff(first=7.0))
    supervisor = stage.supervisor("a", own, budget=PATIENT)
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        stage["b"].crash()
        await stage.clock.settle()
    assert _delays(stage) == [0.1, 7.0]


async def test_a_failed_start_is_no_healthy_stretch(stage):
    supervisor = stage.supervisor("a", budget=PATIENT, backoff=Backoff(first=1.0, healthy_after=0.5))
    async with stage.open(supervisor):
        await stage.clock.advance(10)
        stage["a"].fails_to_start = [OSError("1"), OSError("2")]
        stage["a"].crash()
        await stage.clock.advance(10)
    assert _delays(stage) == [1.0, 2.0, 4.0]


async def test_a_start_on_request_forgets_the_failures(stage):
    supervisor = stage.supervisor("a", budget=PATIENT, backoff=Backoff(first=1.0))
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.advance(1)
        await supervisor.restart("a")
        stage["a"].crash()
        await stage.clock.advance(1)
    assert _delays(stage) == [1.0, 1.0]


async def test_a_permanent_child_that_returns_is_restarted_and_one_that_is_transient_is_not(stage):
    supervisor = stage.supervisor("p", stage.child("t", restart=Restart.TRANSIENT))
    async with stage.open(supervisor):
        stage["p"].leave()
        stage["t"].leave()
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "p:running t:finished"


async def test_a_transient_child_that_fails_is_restarted(stage):
    supervisor = stage.supervisor(stage.child("t", restart=Restart.TRANSIENT))
    async with stage.open(supervisor):
        stage["t"].crash()
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "t:running"


@pytest.mark.parametrize("restart", Restart)
async def test_a_child_stopped_on_request_is_not_restarted_whatever_its_kind(stage, restart):
    supervisor = stage.supervisor(stage.child("a", restart=restart))
    async with stage.open(supervisor):
        await supervisor.stop("a")
        await stage.clock.advance(100)
        assert states(supervisor.tree()) == "a:stopped"


@pytest.mark.parametrize("anyio_backend", [("trio", {"clock": MockClock(autojump_threshold=0)})])
async def test_under_trios_mock_clock_long_delays_cost_no_time(stage):
    crashes = 0

    async def crasher(*, task_status):
        nonlocal crashes
        task_status.started()
        if crashes < 6:
            crashes += 1
            raise ValueError
        calm.set()
        await anyio.sleep_forever()

    calm = anyio.Event()
    child = Child("c", crasher)
    supervisor = stage.supervisor(
        child, clock=SYSTEM, budget=PATIENT, backoff=Backoff(first=600.0, cap=3600.0)
    )
    began = time.monotonic()
    async with anyio.create_task_group() as tasks:
        await tasks.start(supervisor.run)
        await calm.wait()
        supervisor.shutdown()
    assert sum(_delays(stage)) > 3600
    assert time.monotonic() - began < 30
