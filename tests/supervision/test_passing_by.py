"""What a supervisor catches, and what passes it by: it mends failures, and nothing else."""

import time

import anyio
import pytest

from mas.errors import RestartsExhausted
from mas.supervision import Backoff, Budget, Child, Restart, Strategy, Supervisor
from mas.supervision.events import Failed
from tests.supervision.stage import NO_DELAY, Stage, states

BACKENDS = ["asyncio", "trio"]


async def test_a_group_of_exceptions_is_a_failure_like_any_other(stage):
    async def many(*, task_status):
        stage.journal.append("up")
        task_status.started()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_raise, ValueError("one"))
            tasks.start_soon(_raise, OSError("two"))

    supervisor = stage.supervisor(Child("many", many), budget=Budget(1), backoff=NO_DELAY)
    async with stage.open(supervisor):
        pass
    assert stage.seen() == "up up"
    assert isinstance(stage.outcome, RestartsExhausted)
    cause = stage.outcome.__cause__
    assert isinstance(cause, ExceptionGroup)
    assert cause.subgroup(ValueError)
    assert cause.subgroup(OSError)


async def test_a_failure_comes_out_of_the_childs_task_groups_as_it_was_raised(stage):
    async def deep(*, task_status):
        task_status.started()
        async with anyio.create_task_group() as outer, anyio.create_task_group() as inner:
            inner.start_soon(_raise, ValueError("one"))
            outer.start_soon(anyio.sleep_forever)

    supervisor = stage.supervisor(Child("deep", deep, restart=Restart.TEMPORARY))
    async with stage.open(supervisor):
        assert supervisor.tree().children[0].last_error == "ValueError: one"


async def test_a_crash_in_finally_is_the_failure_with_the_first_one_as_its_context(stage):
    async def clumsy(*, task_status):
        task_status.started()
        try:
            raise ValueError("first")
        finally:
            raise OSError("in finally")

    supervisor = stage.supervisor(Child("clumsy", clumsy, restart=Restart.TEMPORARY))
    async with stage.open(supervisor):
        (failed,) = (event for event in stage.events if isinstance(event, Failed))
        assert str(failed.error) == "in finally"
        assert str(failed.error.__context__) == "first"


async def test_a_failure_wrapped_around_the_childs_own_cancellation_is_a_failure(stage):
    async def timed_out(*, task_status):
        task_status.started()
        with anyio.fail_after(0):
            await anyio.sleep_forever()

    supervisor = stage.supervisor(Child("t", timed_out, restart=Restart.TEMPORARY))
    async with stage.open(supervisor):
        assert supervisor.tree().children[0].last_error.startswith("TimeoutError")


async def test_cancellation_passes_by(stage):
    supervisor = stage.supervisor("a")
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            await tasks.start(supervisor.run)
            scope.cancel()
    assert scope.cancelled_caught
    assert stage.seen() == "+a -a"
    assert stage.told(Failed) == []


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL])
def test_keyboard_interrupt_and_system_exit_pass_by_and_leave_nothing(backend, kind, strategy):
    stage = Stage()
    go: list[anyio.Event] = []

    async def fatal(*, task_status):
        stage.journal.append("+fatal")
        task_status.started()
        await go[0].wait()
        raise kind

    inner = Supervisor("inner", [stage.child("x"), Child("fatal", fatal)], strategy=strategy)
    supervisor = Supervisor("root", [stage.child("a"), Child("inner", inner)], strategy=strategy)

    async def main() -> None:
        go.append(anyio.Event())
        async with anyio.create_task_group() as tasks:
            await tasks.start(supervisor.run)
            go[0].set()

    with pytest.raises((kind, BaseExceptionGroup)) as caught:
        anyio.run(main, backend=backend)
    assert _leaves(caught.value) == [kind]
    assert stage.journal.count("+fatal") == 1
    assert sorted(stage.journal[3:]) == ["-a", "-x"]
    assert supervisor.tree().count("running", "starting") == 0


async def test_a_group_with_an_interrupt_in_it_passes_by(stage):
    class Interrupt(BaseException):
        pass

    async def mixed(*, task_status):
        task_status.started()
        raise BaseExceptionGroup("mixed", [ValueError("one"), Interrupt()])

    supervisor = stage.supervisor("a", Child("mixed", mixed), backoff=NO_DELAY)
    with pytest.raises(BaseExceptionGroup) as caught:
        await supervisor.run()
    assert _leaves(caught.value) == [ValueError, Interrupt]
    assert stage.seen() == "+a -a"
    assert stage.told(Failed) == []


async def test_a_base_exception_alone_passes_by_as_itself(stage):
    class Interrupt(BaseException):
        pass

    async def fatal(*, task_status):
        task_status.started()
        raise Interrupt

    supervisor = stage.supervisor("a", Child("fatal", fatal))
    with pytest.raises(Interrupt):
        await supervisor.run()
    assert supervisor.tree().state == "stopped"


async def test_a_child_that_shields_delays_the_stop_by_no_more_than_it_shields(stage):
    async def shields(*, task_status):
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            with stage.clock.move_on_after(3, shield=True):
                await anyio.sleep_forever()

    supervisor = stage.supervisor("a", Child("s", shields))
    async with stage.open(supervisor):
        supervisor.shutdown()
        await stage.clock.advance(2.9)
        assert not stage.ended
        await stage.clock.advance(0.2)
        assert stage.ended
    assert stage.outcome is None


async def test_a_child_that_swallows_its_cancellation_and_returns_has_stopped(stage):
    async def swallows(*, task_status):
        task_status.started()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            stage.journal.append("swallowed")

    supervisor = stage.supervisor(Child("s", swallows))
    async with stage.open(supervisor):
        await supervisor.stop("s")
        assert states(supervisor.tree()) == "s:stopped"
    assert stage.seen() == "swallowed"


async def test_a_child_that_blocks_the_loop_delays_the_others_and_breaks_nothing(stage):
    async def blocks(*, task_status):
        task_status.started()
        time.sleep(0.05)  # noqa: ASYNC251 - the offence itself
        raise ValueError

    supervisor = stage.supervisor("a", Child("blocks", blocks), budget=Budget(3), backoff=Backoff(first=1.0))
    async with stage.open(supervisor):
        await stage.clock.advance(1)
        assert states(supervisor.tree()) == "a:running blocks:backoff"
        await stage.clock.advance(60)
    assert isinstance(stage.outcome, RestartsExhausted)
    assert stage.seen() == "+a -a"


async def test_an_external_cancellation_during_back_off_is_obeyed_at_once(stage):
    supervisor = stage.supervisor("a")
    async with stage.open(supervisor) as scope:
        stage["a"].crash()
        await stage.clock.settle()
        scope.cancel()
    assert stage.outcome is None


async def _raise(error: Exception) -> None:
    raise error


def _leaves(error: BaseException) -> list[type[BaseException]]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [type(error)]
