"""Ask, wait a bounded time, cancel; and name whoever does not listen."""

import logging
from contextlib import suppress

import anyio
import pytest

from mas.errors import RestartsExhausted, StopOverrun, SupervisionError
from mas.supervision import Budget, Child, Restart, Strategy
from mas.supervision.events import Escalated, Failed, Overrun, Stopped
from tests.supervision.stage import NO_DELAY, states


class Stubborn:
    """A child that takes no notice of its cancellation until it is let go."""

    def __init__(self, stage, *, shield: bool) -> None:
        self.shield = shield
        self.let_go = stage.gate()
        self.starts = 0

    async def run(self, *, task_status):
        self.starts += 1
        task_status.started()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self.let_go.wait()
            if self.shield:
                raise
            # Or else it swallows its cancellation, and returns as if nothing had been.


class Polite:
    """A child that ends when it is asked to, once its work is done."""

    def __init__(self, stage, name: str) -> None:
        self.stage, self.name = stage, name
        self.asked, self.work_done = anyio.Event(), stage.gate()

    async def run(self, *, task_status):
        task_status.started()
        try:
            await self.asked.wait()
            await self.work_done.wait()
            self.stage.journal.append(f"{self.name} drained")
        except anyio.get_cancelled_exc_class():
            self.stage.journal.append(f"{self.name} cut short")
            raise

    def stop(self) -> None:
        self.stage.journal.append(f"{self.name} asked")
        self.asked.set()


@pytest.fixture(params=[True, False], ids=["shields", "swallows"])
def stubborn(request, stage) -> Stubborn:
    return Stubborn(stage, shield=request.param)


async def test_a_child_is_asked_and_may_finish_within_its_time(stage):
    polite = Polite(stage, "p")
    supervisor = stage.supervisor("a", Child("p", polite, stop=polite.stop, shutdown=10.0))
    async with stage.open(supervisor):
        stage.seen()
        supervisor.shutdown()
        await stage.clock.advance(9)
        assert states(supervisor.tree()) == "a:running p:stopping"
        assert supervisor.tree().state == "stopping"
        polite.work_done.set()
    assert stage.seen() == "p asked p drained -a"
    assert stage.outcome is None


async def test_a_child_that_was_asked_is_cancelled_when_its_time_is_over(stage):
    polite = Polite(stage, "p")
    supervisor = stage.supervisor("a", Child("p", polite, stop=polite.stop, shutdown=10.0))
    async with stage.open(supervisor):
        stage.seen()
        supervisor.shutdown()
        await stage.clock.advance(10)
    assert stage.seen() == "p asked p cut short -a"


async def test_a_child_with_no_time_is_cancelled_at_once(stage):
    polite = Polite(stage, "p")
    supervisor = stage.supervisor(Child("p", polite, stop=polite.stop, shutdown=0))
    async with stage.open(supervisor):
        pass
    assert stage.seen() == "p cut short"


async def test_a_child_with_all_the_time_is_waited_for(stage):
    polite = Polite(stage, "p")
    supervisor = stage.supervisor(Child("p", polite, stop=polite.stop, shutdown=None))
    async with stage.open(supervisor):
        supervisor.shutdown()
        await stage.clock.advance(1_000_000)
        assert not stage.ended
        polite.work_done.set()
    assert stage.seen() == "p asked p drained"


async def test_a_child_that_cleans_up_for_ever_is_waited_for_if_it_may(stage, stubborn):
    supervisor = stage.supervisor(Child("s", stubborn, shutdown=None))
    async with stage.open(supervisor) as scope:
        scope.cancel()
        with anyio.CancelScope(shield=True):
            await stage.clock.advance(1_000_000)
            assert stage.told(Overrun) == []
            stubborn.let_go.set()


async def test_stopping_now_cuts_short_whoever_was_asked_and_asks_nobody_else(stage):
    first, second = Polite(stage, "first"), Polite(stage, "second")
    inner = stage.supervisor(Child("first", first, stop=first.stop, shutdown=100.0), name="inner")
    supervisor = stage.supervisor(
        Child("inner", inner), "a", Child("second", second, stop=second.stop, shutdown=None)
    )
    async with stage.open(supervisor):
        stage.seen()
        supervisor.shutdown()
        await stage.clock.advance(50)
        assert stage.seen() == "second asked"
        supervisor.shutdown(now=True)
        await stage.clock.settle()
        assert stage.ended
        assert stage.seen() == "second cut short -a first cut short"


async def test_stopping_now_reaches_a_nested_supervisor_that_is_asking(stage):
    first = Polite(stage, "first")
    inner = stage.supervisor(Child("first", first, stop=first.stop, shutdown=100.0), name="inner")
    supervisor = stage.supervisor(Child("inner", inner))
    async with stage.open(supervisor):
        supervisor.shutdown()
        await stage.clock.settle()
        supervisor.shutdown(now=True)
        await stage.clock.settle()
        assert stage.seen() == "first asked first cut short"


async def test_stopping_now_from_the_first_moment_asks_nobody(stage):
    polite = Polite(stage, "p")
    supervisor = stage.supervisor(Child("p", polite, stop=polite.stop))
    supervisor.shutdown(now=True)  # before it runs: nothing to stop
    supervisor.hurry()
    async with stage.open(supervisor):
        supervisor.shutdown(now=True)
    assert stage.seen() == "p cut short"


async def test_an_async_request_to_stop_is_awaited_within_the_time(stage):
    polite = Polite(stage, "p")

    async def stop() -> None:
        polite.stop()
        await stage.clock.sleep(3)
        stage.journal.append("request done")
        polite.work_done.set()

    supervisor = stage.supervisor(Child("p", polite, stop=stop))
    async with stage.open(supervisor):
        supervisor.shutdown()
        await stage.clock.advance(3)
        assert stage.ended
    assert stage.seen() == "p asked request done p drained"


async def test_a_request_to_stop_that_hangs_ends_with_the_child(stage):
    polite = Polite(stage, "p")
    polite.work_done.set()

    async def stop() -> None:
        polite.stop()
        await anyio.sleep_forever()

    supervisor = stage.supervisor(Child("p", polite, stop=stop))
    async with stage.open(supervisor):
        supervisor.shutdown()
        await stage.clock.settle()
        assert stage.ended


async def test_a_request_to_stop_that_raises_is_followed_by_the_cancellation(stage):
    polite = Polite(stage, "p")

    def stop() -> None:
        raise OSError("no line")

    supervisor = stage.supervisor(Child("p", polite, stop=stop, shutdown=None))
    async with stage.open(supervisor):
        supervisor.shutdown()
        await stage.clock.settle()
        assert stage.ended
    assert stage.seen() == "p cut short"
    (stopped,) = (event for event in stage.events if isinstance(event, Stopped))
    assert isinstance(stopped.error, OSError)


async def test_a_child_dying_while_being_stopped_is_stopped_and_its_error_told(stage):
    async def fragile(*, task_status):
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            raise OSError("crash in finally")

    supervisor = stage.supervisor("a", Child("fragile", fragile), "c")
    async with stage.open(supervisor):
        pass
    assert stage.outcome is None
    assert stage.seen() == "+a +c -c -a"
    assert stage.told(Stopped) == ["c", "fragile", "a"]
    assert str(stage.events[-2].error) == "crash in finally"
    assert states(supervisor.tree()) == "a:stopped fragile:stopped c:stopped"


async def test_a_child_that_dies_while_its_siblings_are_stopped_is_not_restarted(stage):
    polite = Polite(stage, "p")
    supervisor = stage.supervisor("a", Child("p", polite, stop=polite.stop), backoff=NO_DELAY)
    async with stage.open(supervisor):
        supervisor.shutdown()
        await stage.clock.settle()
        stage["a"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:failed p:stopping"
        polite.work_done.set()
    assert stage["a"].starts == 1


async def test_a_child_that_dies_after_a_stop_has_cut_a_group_restart_short_has_failed(stage):
    polite = Polite(stage, "p")
    supervisor = stage.supervisor(
        "a", "b", Child("p", polite, stop=polite.stop, shutdown=None), strategy=Strategy.ONE_FOR_ALL
    )
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:backoff b:running p:stopping"
        supervisor.shutdown()
        await stage.clock.settle()
        stage["b"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:failed b:failed p:stopping"
        polite.work_done.set()
    assert states(supervisor.tree()) == "a:failed b:failed p:stopped"
    assert stage.outcome is None


async def test_a_child_that_ignores_its_cancellation_is_named_and_its_siblings_go_on_stopping(
    stage, stubborn, caplog
):
    supervisor = stage.supervisor("a", Child("s", stubborn, shutdown=2.0), "c")
    async with stage.open(supervisor):
        await stage.clock.advance(100)
        stage.seen()
        supervisor.shutdown()
        await stage.clock.advance(1.9)
        assert stage.seen() == "-c"
        await stage.clock.advance(0.2)
        assert stage.seen() == "-a"
        assert not stage.ended
        assert states(supervisor.tree()) == "a:stopped s:overrun c:stopped"
        assert stage.told(Overrun) == ["s"]
        assert stage.told(Escalated) == [""]
        (line,) = (record for record in caplog.records if record.levelno == logging.CRITICAL)
        assert "s overrun: StopOverrun: s ignored its cancellation for 2 s" in line.getMessage()
        stubborn.let_go.set()
    assert isinstance(stage.outcome, StopOverrun)
    assert stage.outcome.seconds == pytest.approx(2.0)
    assert states(supervisor.tree()) == "a:stopped s:failed c:stopped"


async def test_a_child_that_overran_is_never_started_beside_itself_and_its_failure_escalates(stage, stubborn):
    supervisor = stage.supervisor("a", Child("s", stubborn, shutdown=2.0), "c")
    errors = []

    async def restart() -> None:
        try:
            await supervisor.restart("s")
        except SupervisionError as error:
            errors.append(error)

    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        tasks.start_soon(restart)
        await stage.clock.advance(2)
        assert stubborn.starts == 1
        assert states(supervisor.tree()) == "a:stopped s:overrun c:stopped"
        assert [type(error) for error in errors] == [StopOverrun]
        with pytest.raises(SupervisionError, match="root is not running"):
            await supervisor.start("s")
        stubborn.let_go.set()
    assert stubborn.starts == 1


@pytest.mark.parametrize("order", ["stop", "remove_child"])
async def test_whoever_asked_for_the_stop_hears_of_the_overrun(stage, order):
    stubborn = Stubborn(stage, shield=True)
    supervisor = stage.supervisor(Child("s", stubborn, shutdown=2.0))
    errors = []

    async def ask() -> None:
        try:
            await getattr(supervisor, order)("s")
        except StopOverrun as error:
            errors.append(error)

    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await stage.clock.advance(2)
        assert len(errors) == 1
        stubborn.let_go.set()


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_a_bystander_that_overruns_in_a_group_restart_escalates(stage, stubborn, strategy):
    supervisor = stage.supervisor("a", Child("s", stubborn, shutdown=2.0), "c", strategy=strategy)
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.advance(10)
        assert states(supervisor.tree()) == "a:failed s:overrun c:stopped"
        assert stubborn.starts == 1
        assert not stage.ended
        stubborn.let_go.set()
    assert isinstance(stage.outcome, StopOverrun)


async def test_a_start_that_overruns_and_ignores_its_cancellation_escalates(stage):
    let_go = stage.gate()

    async def stuck(*, task_status):
        with anyio.CancelScope(shield=True):
            await let_go.wait()

    supervisor = stage.supervisor("a", Child("stuck", stuck, start_timeout=1.0, unwind=2.0))
    async with stage.open(supervisor):
        await stage.clock.advance(4)
        assert states(supervisor.tree()) == "a:stopped stuck:overrun"
        let_go.set()
    assert isinstance(stage.outcome, StopOverrun)


async def test_an_overrun_escalates_to_the_root_and_every_level_goes_on_stopping(stage, stubborn):
    leaf = stage.supervisor(stage.child("x"), Child("s", stubborn, shutdown=2.0), name="leaf")
    middle = stage.supervisor(stage.child("y"), Child("leaf", leaf), stage.child("z"), name="middle")
    supervisor = stage.supervisor("a", Child("middle", middle), "c")
    stage_tree = supervisor.tree
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        stage.seen()
        tasks.start_soon(_ignore_errors, supervisor.stop, "middle/leaf/s")
        await stage.clock.advance(2)
        assert stage.seen() == "-x -z -y -c -a"
        assert stage.told(Overrun) == ["middle/leaf/s"]
        assert stage.told(Escalated) == ["middle/leaf", "middle", ""]
        assert stage_tree().find("middle").state == "overrun"
        assert not stage.ended
        stubborn.let_go.set()
    assert isinstance(stage.outcome, StopOverrun)
    assert stage.outcome.child == "middle/leaf/s"


async def test_an_overrun_while_the_whole_tree_stops_lets_every_level_go_on(stage, stubborn):
    inner = stage.supervisor(stage.child("x"), Child("s", stubborn, shutdown=2.0), name="inner")
    supervisor = stage.supervisor("a", Child("inner", inner))
    async with stage.open(supervisor):
        stage.seen()
        supervisor.shutdown()
        await stage.clock.advance(2)
        assert stage.seen() == "-x -a"
        assert not stage.ended
        stubborn.let_go.set()


async def test_an_overrun_that_ends_while_its_siblings_stop_still_escalates_to_the_root(stage, stubborn):
    polite = Polite(stage, "p")
    inner = stage.supervisor(
        Child("p", polite, stop=polite.stop, shutdown=10.0),
        Child("s", stubborn, shutdown=2.0),
        name="inner",
    )
    supervisor = stage.supervisor("a", Child("inner", inner))
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        tasks.start_soon(_ignore_errors, supervisor.restart, "inner/s")
        await stage.clock.advance(3)
        stubborn.let_go.set()
        await stage.clock.settle()
        assert states(inner.tree()) == "p:stopping s:failed"
        polite.work_done.set()
        await stage.clock.settle()
        assert stage.ended
    assert isinstance(stage.outcome, StopOverrun)


@pytest.mark.parametrize("by_whom", ["operator", "end of the whole"])
async def test_an_overrun_that_ends_while_its_supervisor_is_stopped_escalates_all_the_same(
    stage, stubborn, by_whom
):
    polite = Polite(stage, "p")
    inner = stage.supervisor(
        Child("p", polite, stop=polite.stop, shutdown=10.0),
        Child("s", stubborn, shutdown=2.0),
        name="inner",
    )
    supervisor = stage.supervisor("a", Child("inner", inner))
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        if by_whom == "operator":
            tasks.start_soon(_ignore_errors, supervisor.stop, "inner")
        else:
            supervisor.shutdown()
        await stage.clock.advance(3)
        stubborn.let_go.set()
        await stage.clock.settle()
        assert states(inner.tree()) == "p:stopping s:failed"
        polite.work_done.set()
        await stage.clock.settle()
        assert stage.ended
    assert isinstance(stage.outcome, StopOverrun)
    assert stage.outcome.child == "inner/s"


async def test_a_restarted_supervisor_whose_child_overran_at_its_start_escalates(stage):
    let_go, first = stage.gate(), True

    async def stuck(*, task_status):
        if first:
            task_status.started()
            await crash.wait()
            raise ValueError
        with anyio.CancelScope(shield=True):
            await let_go.wait()

    crash = anyio.Event()
    inner = stage.supervisor(
        Child("stuck", stuck, start_timeout=1.0, unwind=2.0), name="inner", budget=Budget(0)
    )
    supervisor = stage.supervisor("a", Child("inner", inner), backoff=NO_DELAY)
    async with stage.open(supervisor):
        first = False
        crash.set()
        await stage.clock.advance(4)
        assert states(supervisor.tree()) == "a:stopped inner:overrun"
        let_go.set()
    assert isinstance(stage.outcome, StopOverrun)


async def test_an_overrun_that_ends_in_time_at_the_start_of_its_supervisor_still_escalates(stage):
    polite, let_go = Polite(stage, "p"), stage.gate()

    async def stuck(*, task_status):
        with anyio.CancelScope(shield=True):
            await let_go.wait()

    inner = stage.supervisor(
        Child("p", polite, stop=polite.stop, shutdown=10.0),
        Child("stuck", stuck, start_timeout=1.0, unwind=2.0),
        name="inner",
    )
    supervisor = stage.supervisor("a", Child("inner", inner))
    async with stage.open(supervisor):
        await stage.clock.advance(4)
        let_go.set()
        polite.work_done.set()
        await stage.clock.settle()
        assert stage.ended
    assert isinstance(stage.outcome, StopOverrun)


async def test_a_failure_stops_the_others_before_it_is_passed_on(stage):
    supervisor = stage.supervisor("a", "b", "c", budget=Budget(0))
    async with stage.open(supervisor):
        stage.seen()
        stage["b"].crash()
        await stage.clock.settle()
        assert stage.seen() == "-b -c -a"
    assert isinstance(stage.outcome, RestartsExhausted)
    assert stage.told(Failed) == ["b"]


async def test_cancelling_twice_does_not_hurry_an_orderly_stop(stage):
    polite = Polite(stage, "p")
    supervisor = stage.supervisor("a", Child("p", polite, stop=polite.stop, shutdown=10.0))
    stage.seen()
    async with anyio.create_task_group() as outer, anyio.create_task_group() as tasks:
        await tasks.start(supervisor.run)
        tasks.cancel_scope.cancel()
        outer.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await stage.clock.advance(5)
            assert states(supervisor.tree()) == "a:running p:stopping"
            polite.work_done.set()
    assert stage.seen() == "+a p asked p drained -a"


async def test_a_temporary_child_is_stopped_like_any_other(stage):
    supervisor = stage.supervisor(stage.child("t", restart=Restart.TEMPORARY))
    async with stage.open(supervisor):
        pass
    assert stage.seen() == "+t -t"


async def _ignore_errors(order, path: str) -> None:
    with suppress(SupervisionError):
        await order(path)
