"""What may be asked of a running supervisor, at whatever moment."""

from contextlib import suppress

import anyio
import pytest

from mas.errors import RestartsExhausted, StartFailed, SupervisionError, UnknownChild
from mas.supervision import Backoff, Budget, Child, Declined, Restart, Strategy
from mas.supervision.events import Failed, GaveUp, Paused, Restarting, Resumed, Stopped
from tests.supervision.stage import NO_DELAY, states

GROUPS = [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE]


class Gated:
    """A child that is ready when its gate is open, and takes its time to stop while another is shut."""

    def __init__(self, stage) -> None:
        self.ready, self.end = stage.gate(), stage.gate()
        self.starts = 0
        self.error: Exception | None = None

    async def run(self, *, task_status):
        self.starts += 1
        await self.ready.wait()
        if self.error is not None:
            raise self.error
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await self.end.wait()


class Hooked:
    """A child that can be paused."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.error: Exception | None = None
        self.hold: anyio.Event | None = None

    async def pause(self) -> None:
        self.calls.append("pause")
        if self.hold is not None:
            await self.hold.wait()
        if self.error is not None:
            raise self.error

    def resume(self) -> None:
        self.calls.append("resume")
        if self.error is not None:
            raise self.error

    @property
    def hooks(self):
        return {"pause": self.pause, "resume": self.resume}


async def test_a_stopped_child_stays_down_until_it_is_started(stage):
    supervisor = stage.supervisor("a", "b")
    async with stage.open(supervisor):
        await supervisor.stop("a")
        await stage.clock.advance(60)
        assert states(supervisor.tree()) == "a:stopped b:running"
        await supervisor.stop("a")
        assert stage.told(Stopped) == ["a"]
        await supervisor.start("a")
        assert states(supervisor.tree()) == "a:running b:running"
        await supervisor.start("a")
        assert stage["a"].starts == 2


@pytest.mark.parametrize("strategy", GROUPS)
async def test_a_stopped_child_stays_down_when_its_group_restarts(stage, strategy):
    supervisor = stage.supervisor("a", "b", strategy=strategy)
    async with stage.open(supervisor):
        await supervisor.stop("b")
        stage["a"].crash()
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "a:running b:stopped"


async def test_a_child_restarted_on_request_costs_no_budget(stage):
    supervisor = stage.supervisor("a", "b", budget=Budget(0))
    async with stage.open(supervisor):
        stage.seen()
        await supervisor.restart("a")
        assert stage.seen() == "-a +a"
        assert [child.restarts for child in supervisor.tree().children] == [1, 0]
        await supervisor.stop("a")
        await supervisor.restart("a")
        assert states(supervisor.tree()) == "a:running b:running"


async def test_stopping_a_child_in_back_off_ends_its_restarting(stage):
    supervisor = stage.supervisor("a")
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:backoff"
        await supervisor.stop("a")
        await stage.clock.advance(60)
        assert states(supervisor.tree()) == "a:stopped"
        assert stage["a"].starts == 1
        assert stage.told(Stopped) == ["a"]


@pytest.mark.parametrize("order", ["start", "restart"])
async def test_starting_a_child_in_back_off_does_not_wait(stage, order):
    supervisor = stage.supervisor("a")
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        await getattr(supervisor, order)("a")
        assert states(supervisor.tree()) == "a:running"
        await stage.clock.advance(60)
        assert stage["a"].starts == 2


async def test_starting_a_child_in_back_off_tells_when_it_fails_again(stage):
    supervisor = stage.supervisor("a")
    async with stage.open(supervisor):
        stage["a"].fails_to_start = [OSError("still no port")]
        stage["a"].crash()
        await stage.clock.settle()
        with pytest.raises(StartFailed, match="still no port"):
            await supervisor.restart("a")
        assert states(supervisor.tree()) == "a:backoff"
        await stage.clock.advance(60)
        assert states(supervisor.tree()) == "a:running"


async def test_stopping_the_failed_child_of_a_group_in_back_off_brings_the_others_back_at_once(stage):
    supervisor = stage.supervisor("a", "b", strategy=Strategy.ONE_FOR_ALL)
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        await supervisor.stop("a")
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:stopped b:running"


async def test_stopping_a_bystander_in_back_off_leaves_it_down(stage):
    supervisor = stage.supervisor("a", "b", strategy=Strategy.ONE_FOR_ALL)
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        await supervisor.stop("b")
        assert states(supervisor.tree()) == "a:backoff b:stopped"
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "a:running b:stopped"


@pytest.mark.parametrize("strategy", Strategy)
async def test_removing_a_child_in_back_off_forgets_it(stage, strategy):
    supervisor = stage.supervisor("a", "b", strategy=strategy)
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        await supervisor.remove_child("a")
        await stage.clock.advance(60)
        assert states(supervisor.tree()) == "b:running"


@pytest.mark.parametrize("strategy", Strategy)
async def test_the_whole_can_be_stopped_in_back_off(stage, strategy):
    supervisor = stage.supervisor("a", "b", strategy=strategy)
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        supervisor.shutdown()
        await stage.clock.settle()
        assert stage.ended
    assert stage.outcome is None


async def test_the_whole_can_be_stopped_by_a_listener_that_hears_of_a_failed_restart(stage):
    def listen(event) -> None:
        if isinstance(event, Failed) and isinstance(event.error, StartFailed):
            supervisor.shutdown()

    supervisor = stage.supervisor("a", on_event=listen, budget=Budget(1), backoff=NO_DELAY)
    async with stage.open(supervisor):
        stage["a"].fails_to_start = [OSError("no port")]
        stage["a"].crash()
        await stage.clock.settle()
        assert stage.ended
    assert stage.outcome is None
    assert stage["a"].starts == 2


@pytest.mark.parametrize("strategy", Strategy)
async def test_a_child_can_be_stopped_while_it_fails_to_restart(stage, strategy):
    gated = Gated(stage)
    gated.ready.set()
    gated.end.set()
    supervisor = stage.supervisor(Child("g", gated), "b", strategy=strategy)
    async with stage.open(supervisor):
        gated.ready = stage.gate()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_expect, SupervisionError, "stopped meanwhile", supervisor.restart, "g")
            await stage.clock.settle()
            assert states(supervisor.tree()) == "g:starting b:running"
            await supervisor.stop("g")
        assert states(supervisor.tree()) == "g:stopped b:running"


async def test_a_group_can_lose_a_child_while_it_is_brought_back(stage):
    gated = Gated(stage)
    gated.ready.set()
    gated.end.set()
    supervisor = stage.supervisor(
        "a", Child("g", gated), "c", strategy=Strategy.ONE_FOR_ALL, backoff=NO_DELAY
    )
    async with stage.open(supervisor):
        gated.ready = stage.gate()
        stage["a"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running g:starting c:restarting"
        await supervisor.remove_child("g")
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running c:running"


async def test_the_whole_can_be_stopped_while_a_restart_is_failing(stage):
    gated = Gated(stage)
    gated.ready.set()
    supervisor = stage.supervisor("a", Child("g", gated, shutdown=None), strategy=Strategy.ONE_FOR_ALL)
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:backoff g:stopping"
        supervisor.shutdown()
        await stage.clock.settle()
        assert not stage.ended
        gated.end.set()
        await stage.clock.settle()
        assert stage.ended
    assert gated.starts == 1


async def test_a_restart_that_fails_is_told_and_mended(stage):
    supervisor = stage.supervisor("a", budget=Budget(2), backoff=NO_DELAY)
    async with stage.open(supervisor):
        stage["a"].fails_to_start = [OSError("once")]
        with pytest.raises(StartFailed, match="once"):
            await supervisor.restart("a")
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running"
        assert stage.told(Restarting) == ["a"]


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("by_strategy", [True, False])
async def test_a_temporary_child_that_does_not_restart_on_request_is_told_and_left(
    stage, strategy, by_strategy
):
    temporary = stage.child("t", restart=Restart.TEMPORARY)
    supervisor = stage.supervisor(temporary, "b", strategy=strategy, budget=Budget(0), backoff=NO_DELAY)
    async with stage.open(supervisor):
        stage["t"].fails_to_start = [OSError("once")]
        with pytest.raises(StartFailed, match="once"):
            await supervisor.restart("t", by_strategy=by_strategy)
        await stage.clock.advance(60)
        assert states(supervisor.tree()) == (
            "b:running" if strategy is Strategy.POOL else "t:failed b:running"
        )
        assert stage["t"].starts == 2
    assert stage.outcome is None


async def test_a_start_that_fails_is_told_and_left(stage):
    supervisor = stage.supervisor("a", budget=Budget(2), backoff=NO_DELAY)
    async with stage.open(supervisor):
        await supervisor.stop("a")
        stage["a"].fails_to_start = [OSError("once")]
        with pytest.raises(StartFailed, match="once"):
            await supervisor.start("a")
        await stage.clock.advance(60)
        assert states(supervisor.tree()) == "a:failed"
        await supervisor.stop("a")
        assert states(supervisor.tree()) == "a:stopped"


async def test_starting_a_child_that_is_being_stopped_waits_for_its_end(stage):
    gated = Gated(stage)
    gated.ready.set()
    supervisor = stage.supervisor(Child("g", gated))
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.stop, "g")
        await stage.clock.settle()
        tasks.start_soon(supervisor.start, "g")
        await stage.clock.settle()
        assert gated.starts == 1
        gated.end.set()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "g:running"
        assert gated.starts == 2


async def test_a_child_stopped_while_it_is_restarted_on_request_stays_down(stage):
    gated = Gated(stage)
    gated.ready.set()
    supervisor = stage.supervisor(Child("g", gated))
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        tasks.start_soon(_expect, SupervisionError, "stopped meanwhile", supervisor.restart, "g")
        await stage.clock.settle()
        tasks.start_soon(supervisor.stop, "g")
        await stage.clock.settle()
        gated.end.set()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "g:stopped"
        assert gated.starts == 1


async def test_a_restart_on_request_meets_a_restart_of_the_group(stage):
    gated = Gated(stage)
    gated.ready.set()
    supervisor = stage.supervisor("a", Child("g", gated), strategy=Strategy.ONE_FOR_ALL, backoff=NO_DELAY)
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.restart, "g")
        await stage.clock.settle()
        stage["a"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:backoff g:stopping"
        gated.end.set()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running g:running"


async def test_a_child_can_be_stopped_before_its_first_start(stage):
    gated = Gated(stage)
    supervisor = stage.supervisor(Child("g", gated), "b")
    async with stage.open(supervisor):
        assert states(supervisor.tree()) == "g:starting b:stopped"
        await supervisor.stop("b")
        gated.ready.set()
        gated.end.set()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "g:running b:stopped"


async def test_a_child_started_on_request_before_its_turn_is_not_started_twice(stage):
    gated = Gated(stage)
    supervisor = stage.supervisor(Child("g", gated), "b")
    async with stage.open(supervisor):
        await supervisor.start("b")
        assert states(supervisor.tree()) == "g:starting b:running"
        gated.ready.set()
        gated.end.set()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "g:running b:running"
        assert stage["b"].starts == 1


async def test_a_child_can_be_stopped_during_its_first_start(stage):
    gated = Gated(stage)
    supervisor = stage.supervisor(Child("g", gated), "b")
    async with stage.open(supervisor):
        await supervisor.stop("g")
        await stage.clock.settle()
        assert states(supervisor.tree()) == "g:stopped b:running"


@pytest.mark.parametrize("hops", range(8))
async def test_a_stop_that_meets_a_failing_restart_wins(stage, hops):
    gated = Gated(stage)
    gated.ready.set()
    gated.end.set()
    supervisor = stage.supervisor(Child("g", gated), backoff=Backoff(first=1.0))
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        gated.ready, gated.error = stage.gate(), OSError("no port")
        tasks.start_soon(_expect, SupervisionError, "g ", supervisor.restart, "g")
        await stage.clock.settle()
        gated.ready.set()
        for _ in range(hops):
            await anyio.lowlevel.checkpoint()
        with suppress(SupervisionError):
            await supervisor.stop("g")
        gated.error = None
        await stage.clock.advance(60)
        assert states(supervisor.tree()) == "g:stopped"


@pytest.mark.parametrize("order", ["start", "restart"])
async def test_a_child_removed_while_somebody_waits_to_start_it_is_not_started(stage, order):
    gated = Gated(stage)
    gated.ready.set()
    supervisor = stage.supervisor(Child("g", gated))
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.remove_child, "g")
        await stage.clock.settle()
        tasks.start_soon(
            _expect, SupervisionError, "g was removed meanwhile", getattr(supervisor, order), "g"
        )
        await stage.clock.settle()
        gated.end.set()
        await stage.clock.settle()
        assert states(supervisor.tree()) == ""
        assert gated.starts == 1


async def test_a_start_time_out_that_meets_a_stop_is_a_stop(stage):
    class Slow:
        async def run(self, *, task_status):
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await end.wait()

    end = stage.gate()
    supervisor = stage.supervisor(Child("slow", Slow(), start_timeout=1.0), "b")
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.stop, "slow")
        await stage.clock.advance(2)
        assert states(supervisor.tree()) == "slow:stopping b:stopped"
        end.set()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "slow:stopped b:running"


@pytest.mark.parametrize("strategy", Strategy)
async def test_a_child_can_be_added_and_removed(stage, strategy):
    supervisor = stage.supervisor("a", strategy=strategy)
    async with stage.open(supervisor):
        await supervisor.add_child(stage.child("b"))
        assert states(supervisor.tree()) == "a:running b:running"
        stage["a"].crash()
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "a:running b:running"
        assert stage["b"].starts == (2 if strategy in GROUPS else 1)
        await supervisor.remove_child("a")
        assert states(supervisor.tree()) == "b:running"
        await supervisor.add_child(stage.child("a"))
        assert states(supervisor.tree()) == "b:running a:running"
        stage.seen()
    if strategy is not Strategy.POOL:
        assert stage.seen() == "-a -b"


async def test_a_child_whose_name_is_taken_is_not_added(stage):
    supervisor = stage.supervisor("a")
    async with stage.open(supervisor):
        with pytest.raises(SupervisionError, match="a is already a child of root"):
            await supervisor.add_child(stage.child("a"))


async def test_a_child_that_does_not_start_is_not_added(stage):
    supervisor = stage.supervisor("a")
    child = stage.child("b")
    stage["b"].fails_to_start = [OSError("no port")]
    async with stage.open(supervisor):
        with pytest.raises(StartFailed, match="no port"):
            await supervisor.add_child(child)
        assert states(supervisor.tree()) == "a:running"


async def test_a_child_added_while_its_group_restarts_comes_up_with_it(stage):
    supervisor = stage.supervisor("a", "b", strategy=Strategy.ONE_FOR_ALL)
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        await supervisor.add_child(stage.child("c"))
        assert states(supervisor.tree()) == "a:backoff b:restarting c:running"
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "a:running b:running c:running"


async def test_those_below_are_reached_by_their_path(stage):
    inner = stage.supervisor("x", "y", name="inner")
    supervisor = stage.supervisor("a", Child("inner", inner))
    async with stage.open(supervisor):
        await supervisor.stop("inner/x")
        await supervisor.add_child(stage.child("z"), under="inner")
        await inner.restart("y")
        assert states(inner.tree()) == "x:stopped y:running z:running"
        await supervisor.restart("inner")
        assert states(inner.tree()) == "x:running y:running"
        await supervisor.stop("inner")
        with pytest.raises(SupervisionError, match="inner is not running"):
            await supervisor.restart("inner/x")


@pytest.mark.parametrize("order", ["start", "stop", "restart", "pause", "resume", "remove_child"])
async def test_an_unknown_child_is_named_with_the_nearest_known(stage, order):
    supervisor = stage.supervisor("worker", Child("inner", stage.supervisor("x", name="inner")))
    async with stage.open(supervisor):
        with pytest.raises(UnknownChild, match="wroker is not a child of root; did you mean worker"):
            await getattr(supervisor, order)("wroker")
        with pytest.raises(UnknownChild, match=r"inner/zzz is not a child of inner$"):
            await getattr(supervisor, order)("inner/zzz")
        with pytest.raises(SupervisionError, match="worker is not a supervisor"):
            await getattr(supervisor, order)("worker/x")
        with pytest.raises(LookupError):
            await getattr(supervisor, order)("")


@pytest.mark.parametrize("order", ["start", "stop", "restart", "pause", "resume", "remove_child"])
async def test_nothing_can_be_asked_of_a_supervisor_that_does_not_run(stage, order):
    supervisor = stage.supervisor("a")
    with pytest.raises(SupervisionError, match="root is not running"):
        await getattr(supervisor, order)("a")
    async with stage.open(supervisor):
        pass
    with pytest.raises(SupervisionError, match="root is not running"):
        await getattr(supervisor, order)("a")


async def test_an_order_is_told_off_when_the_supervisor_stops_before_it_is_done(stage):
    gated = Gated(stage)
    supervisor = stage.supervisor("a")
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        child = Child("g", gated)
        tasks.start_soon(
            _expect, SupervisionError, "root stopped before it was done", supervisor.add_child, child
        )
        await stage.clock.settle()
        supervisor.shutdown()
        gated.end.set()
        await stage.clock.settle()


async def test_an_order_is_carried_out_though_its_caller_is_gone(stage):
    gated = Gated(stage)
    supervisor = stage.supervisor("a")
    async with stage.open(supervisor):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(supervisor.add_child, Child("g", gated))
            await stage.clock.settle()
            tasks.cancel_scope.cancel()
        assert states(supervisor.tree()) == "a:running g:starting"
        gated.ready.set()
        gated.end.set()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running g:running"


async def test_a_child_may_restart_itself(stage):
    async def tired(*, task_status):
        task_status.started()
        stage.journal.append("up")
        with suppress(SupervisionError):
            if stage.journal.count("up") < 2:
                await supervisor.restart("tired")
        await anyio.sleep_forever()

    supervisor = stage.supervisor(Child("tired", tired))
    async with stage.open(supervisor):
        assert stage.seen() == "up up"
        assert states(supervisor.tree()) == "tired:running"


async def test_a_child_is_paused_and_resumed_by_its_hooks(stage):
    hooked = Hooked()
    supervisor = stage.supervisor(stage.child("a", **hooked.hooks))
    async with stage.open(supervisor):
        await supervisor.pause("a")
        await supervisor.pause("a")
        assert states(supervisor.tree()) == "a:paused"
        assert supervisor.tree().children[0].state.active
        await supervisor.resume("a")
        assert states(supervisor.tree()) == "a:running"
        with pytest.raises(SupervisionError, match="a cannot be resumed: it is running"):
            await supervisor.resume("a")
    assert hooked.calls == ["pause", "resume"]
    assert stage.told(Paused) == stage.told(Resumed) == ["a"]


async def test_a_pause_outlives_a_restart(stage):
    hooked = Hooked()
    supervisor = stage.supervisor(stage.child("a", **hooked.hooks))
    async with stage.open(supervisor):
        await supervisor.pause("a")
        stage["a"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:backoff"
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "a:paused"
        assert hooked.calls == ["pause", "pause"]
        await supervisor.restart("a")
        assert states(supervisor.tree()) == "a:paused"
        await supervisor.stop("a")
        await supervisor.start("a")
        assert states(supervisor.tree()) == "a:running"


async def test_a_pause_may_be_ended_while_the_child_is_down(stage):
    hooked = Hooked()
    supervisor = stage.supervisor(stage.child("a", **hooked.hooks))
    async with stage.open(supervisor):
        await supervisor.pause("a")
        stage["a"].crash()
        await stage.clock.settle()
        await supervisor.resume("a")
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "a:running"
        assert hooked.calls == ["pause"]


async def test_a_child_that_cannot_be_paused_again_has_failed_to_start(stage):
    hooked = Hooked()
    child = stage.child("a", **hooked.hooks)
    supervisor = stage.supervisor(child, budget=Budget(1), backoff=NO_DELAY)
    async with stage.open(supervisor):
        await supervisor.pause("a")
        hooked.error = OSError("stuck valve")
        stage["a"].crash()
        await stage.clock.settle()
        assert stage.ended
    assert isinstance(stage.outcome, RestartsExhausted)
    assert "could not be paused again: OSError: stuck valve" in str(stage.outcome.__cause__)


async def test_a_child_that_takes_too_long_to_be_paused_again_has_failed_to_start(stage):
    hooked = Hooked()
    child = stage.child("a", start_timeout=2.0, **hooked.hooks)
    supervisor = stage.supervisor(child, budget=Budget(1), backoff=NO_DELAY)
    async with stage.open(supervisor):
        await supervisor.pause("a")
        hooked.hold = stage.gate()
        stage["a"].crash()
        await stage.clock.advance(2)
        assert stage.ended
    assert "could not be paused again in time" in str(stage.outcome.__cause__)


async def test_a_child_that_dies_while_it_is_paused_again_is_mended(stage):
    hooked = Hooked()
    supervisor = stage.supervisor(stage.child("a", **hooked.hooks), backoff=NO_DELAY)
    async with stage.open(supervisor):
        await supervisor.pause("a")
        hooked.hold = stage.gate()
        stage["a"].crash()
        await stage.clock.settle()
        stage["a"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:backoff"
        hooked.hold.set()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:paused"


async def test_a_child_without_hooks_cannot_be_paused(stage):
    supervisor = stage.supervisor("a")
    async with stage.open(supervisor):
        with pytest.raises(SupervisionError, match="a cannot be paused: it has no pause hook"):
            await supervisor.pause("a")


async def test_a_child_that_is_down_cannot_be_paused(stage):
    supervisor = stage.supervisor(stage.child("a", **Hooked().hooks))
    async with stage.open(supervisor):
        await supervisor.stop("a")
        with pytest.raises(SupervisionError, match="a cannot be paused: it is stopped"):
            await supervisor.pause("a")


async def test_a_hook_that_raises_changes_nothing(stage):
    hooked = Hooked()
    supervisor = stage.supervisor(stage.child("a", **hooked.hooks))
    async with stage.open(supervisor):
        hooked.error = OSError("stuck valve")
        with pytest.raises(SupervisionError, match="a did not pause: OSError: stuck valve"):
            await supervisor.pause("a")
        assert states(supervisor.tree()) == "a:running"
        hooked.error = None
        await supervisor.pause("a")
        hooked.error = OSError("stuck valve")
        with pytest.raises(SupervisionError, match="a did not resume: OSError: stuck valve"):
            await supervisor.resume("a")
        assert states(supervisor.tree()) == "a:paused"


async def test_a_child_that_dies_while_it_is_being_paused_comes_back_paused(stage):
    hooked = Hooked()
    hooked.hold = stage.gate()
    supervisor = stage.supervisor(stage.child("a", **hooked.hooks))
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.pause, "a")
        await stage.clock.settle()
        stage["a"].crash()
        await stage.clock.settle()
        hooked.hold.set()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:backoff"
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "a:paused"


async def test_a_child_that_dies_while_it_is_being_resumed_comes_back_running(stage):
    hooked = Hooked()

    async def resume() -> None:
        await hold.wait()

    hold = stage.gate()
    supervisor = stage.supervisor(stage.child("a", pause=hooked.pause, resume=resume))
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        await supervisor.pause("a")
        tasks.start_soon(supervisor.resume, "a")
        await stage.clock.settle()
        stage["a"].crash()
        await stage.clock.settle()
        hold.set()
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "a:running"


async def test_a_child_whose_own_budget_is_spent_is_given_up_while_its_siblings_live_on(stage):
    supervisor = stage.supervisor(
        stage.child("a", budget=Budget(1, within=60.0)), "b", budget=Budget(0), backoff=NO_DELAY
    )
    async with stage.open(supervisor):
        for _ in range(2):
            stage["a"].crash()
            await stage.clock.settle()
        assert states(supervisor.tree()) == "a:failed b:running"
        (given_up,) = (event for event in stage.events if isinstance(event, GaveUp))
        assert given_up.path == "a"
        assert isinstance(given_up.error, RestartsExhausted)
        await stage.clock.advance(50)
        assert stage["a"].starts == 2
        await supervisor.start("a")
        stage["a"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running b:running"


@pytest.mark.parametrize("strategy", GROUPS)
async def test_a_child_given_up_is_not_revived_with_its_group(stage, strategy):
    supervisor = stage.supervisor("z", stage.child("a", budget=Budget(0)), "b", strategy=strategy)
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "z:running a:failed b:running"
        stage["z"].crash()
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "z:running a:failed b:running"


async def test_a_child_given_up_while_its_group_comes_back_does_not_hold_the_others(stage):
    supervisor = stage.supervisor(
        stage.child("a", budget=Budget(0)), "b", strategy=Strategy.ONE_FOR_ALL, backoff=NO_DELAY
    )
    async with stage.open(supervisor):
        stage["a"].fails_to_start = [OSError("gone")]
        stage["b"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:failed b:running"


async def test_a_significant_child_whose_own_budget_is_spent_escalates(stage):
    supervisor = stage.supervisor(stage.child("a", budget=Budget(0), significant=True), "b")
    async with stage.open(supervisor):
        stage["a"].crash()
        await stage.clock.settle()
        assert stage.ended
    assert isinstance(stage.outcome, RestartsExhausted)


async def test_a_child_that_declines_in_back_off_is_no_failure_of_the_order(stage):
    decline = False

    async def moody(*, task_status):
        if decline:
            raise Declined
        task_status.started()
        await crash.wait()
        raise ValueError

    crash = anyio.Event()
    supervisor = stage.supervisor(Child("moody", moody))
    async with stage.open(supervisor):
        decline = True
        crash.set()
        await stage.clock.settle()
        await supervisor.restart("moody")
        assert states(supervisor.tree()) == "moody:stopped"


async def test_a_child_stopped_in_back_off_disappoints_who_waits_for_it(stage):
    gated = Gated(stage)
    gated.ready.set()
    gated.end.set()
    supervisor = stage.supervisor(
        "a", Child("g", gated), "c", strategy=Strategy.ONE_FOR_ALL, backoff=NO_DELAY
    )
    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        gated.ready = stage.gate()
        stage["a"].crash()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running g:starting c:restarting"
        tasks.start_soon(_expect, SupervisionError, "c was stopped meanwhile", supervisor.restart, "c")
        await stage.clock.settle()
        await supervisor.stop("c")
        gated.ready.set()
        await stage.clock.settle()
        assert states(supervisor.tree()) == "a:running g:running c:stopped"


async def test_counts_are_true_while_children_restart(stage):
    inner = stage.supervisor("x", "y", name="inner")
    temporary = stage.child("t", restart=Restart.TEMPORARY)
    supervisor = stage.supervisor("a", temporary, Child("inner", inner), strategy=Strategy.ONE_FOR_ALL)
    async with stage.open(supervisor):
        assert supervisor.tree().count("running") == 5
        stage["a"].crash()
        await stage.clock.settle()
        tree = supervisor.tree()
        assert len(list(tree.walk())) == 6
        assert states(tree) == "a:backoff t:stopped inner:restarting"
        assert tree.count("backoff", "restarting") == 2
        assert tree.count("running") == 0
        await stage.clock.advance(1)
        tree = supervisor.tree()
        assert tree.count("running") == 4
        assert tree.find("a").restarts == tree.find("inner").restarts == 1
        assert tree.find("inner/x").restarts == 0
        assert tree.find("nobody") is None


async def test_a_snapshot_tells_uptime_last_error_and_kind(stage):
    inner = stage.supervisor("x", name="inner", strategy="rest_for_one")
    supervisor = stage.supervisor("a", Child("inner", inner))
    assert supervisor.tree().children == ()
    assert supervisor.tree().strategy == "one_for_one"
    async with stage.open(supervisor):
        await stage.clock.advance(7)
        stage["a"].crash(ValueError("boom"))
        await stage.clock.settle()
        a, nested = supervisor.tree().children
        assert (a.kind, a.uptime, a.last_error) == ("worker", 0.0, "ValueError: boom")
        assert (nested.kind, nested.uptime, nested.last_error) == ("supervisor", 7.0, "")
        assert (a.strategy, nested.strategy) == (None, "rest_for_one")
        await stage.clock.advance(3)
        assert supervisor.tree().uptime == 10.0
        assert supervisor.tree().find("inner/x").path == "inner/x"
        with pytest.raises(AttributeError):
            a.state = "running"


async def _expect(kind, text, order, argument) -> None:
    with pytest.raises(kind, match=text):
        await order(argument)
