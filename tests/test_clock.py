"""A clock that is turned by hand drives both backends as real time would."""

import time

import anyio
import pytest

from mas.clock import SYSTEM, Clock, ManualClock, SystemClock, fail_after


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(wall=1000.0, monotonic=50.0)


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def sleeper(clock, woken):
    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(f"{name}@{clock.monotonic():g}")

    return sleep


async def test_a_manual_clock_stands_still_until_it_is_turned(clock):
    assert (clock.wall(), clock.monotonic()) == (1000.0, 50.0)
    await clock.advance(2.5)
    assert (clock.wall(), clock.monotonic()) == (1002.5, 52.5)
    await clock.advance(0)
    assert clock.monotonic() == 52.5


async def test_time_is_not_turned_back(clock):
    with pytest.raises(ValueError, match="back"):
        await clock.advance(-1)


async def test_sleepers_wake_in_the_order_in_which_they_are_due(clock, woken, sleeper):
    async with anyio.create_task_group() as tasks:
        for name, seconds in (("c", 3), ("a", 1), ("b", 2), ("d", 4)):
            tasks.start_soon(sleeper, name, seconds)
        await clock.advance(3)
        assert woken == ["a@51", "b@52", "c@53"]
        await clock.advance(1)
    assert woken[3:] == ["d@54"]


async def test_a_sleeper_may_sleep_again_within_one_turn(clock, woken):
    async def tick() -> None:
        for _ in range(5):
            await clock.sleep(2)
            woken.append(f"{clock.monotonic():g}")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        await clock.advance(9)
        assert woken == ["52", "54", "56", "58"]
        tasks.cancel_scope.cancel()


async def test_those_due_at_the_same_moment_wake_at_the_same_moment(clock, woken, sleeper):
    async with anyio.create_task_group() as tasks:
        for name in "abc":
            tasks.start_soon(sleeper, name, 1)
        await clock.advance(1)
    assert sorted(woken) == ["a@51", "b@51", "c@51"]


async def test_what_a_sleeper_sets_off_is_done_before_the_next_one_wakes(clock, woken, sleeper):
    relays = [anyio.Event() for _ in range(200)]

    async def relay(number: int) -> None:
        await relays[number].wait()
        if number + 1 < len(relays):
            relays[number + 1].set()
        else:
            woken.append("end of the chain")

    async def first() -> None:
        await clock.sleep(1)
        relays[0].set()

    async with anyio.create_task_group() as tasks:
        for number in range(len(relays)):
            tasks.start_soon(relay, number)
        tasks.start_soon(first)
        tasks.start_soon(sleeper, "next", 1.5)
        await clock.advance(2)
    assert woken == ["end of the chain", "next@51.5"]


@pytest.mark.parametrize("seconds", [0, -1])
async def test_no_time_to_sleep_is_a_checkpoint(clock, seconds):
    await clock.sleep(seconds)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await clock.sleep(seconds)
    assert scope.cancelled_caught


async def test_a_cancelled_sleeper_is_forgotten(clock, woken, sleeper):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sleeper, "a", 1)
        await clock.settle()
        tasks.cancel_scope.cancel()
    await clock.advance(5)
    assert woken == []


async def test_a_deadline_cuts_the_block_short_when_the_clock_reaches_it(clock, woken):
    async def bounded() -> None:
        with clock.move_on_after(3) as scope:
            await anyio.sleep_forever()
        woken.append(f"{scope.cancelled_caught} {clock.monotonic():g}")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bounded)
        await clock.advance(2.9)
        assert woken == []
        await clock.advance(10)
    assert woken == ["True 53"]


async def test_a_block_that_is_done_in_time_leaves_no_deadline_behind(clock):
    with clock.move_on_after(3) as scope:
        pass
    await clock.advance(10)
    assert not scope.cancel_called


async def test_a_deadline_that_has_passed_cuts_the_block_short_at_once(clock):
    with clock.move_on_after(0) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught


async def test_no_deadline_means_never(clock):
    with clock.move_on_after(None) as scope:
        await clock.advance(1e9)
    assert not scope.cancel_called


async def test_a_shielded_block_is_ended_by_its_deadline_alone(clock, woken):
    async def settle() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with clock.move_on_after(3, shield=True):
                await anyio.sleep_forever()
            woken.append(f"{clock.monotonic():g}")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(settle)
        await clock.settle()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await clock.advance(2)
            assert woken == []
            await clock.advance(2)
    assert woken == ["53"]


async def test_a_block_that_is_not_done_in_time_fails(clock):
    async def late() -> None:
        with pytest.raises(TimeoutError, match="not done within 3 s"), fail_after(clock, 3):
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(late)
        await clock.advance(3)


@pytest.mark.parametrize("seconds", [3, None])
async def test_a_block_that_is_done_in_time_does_not_fail(clock, seconds):
    with fail_after(clock, seconds) as scope:
        await clock.advance(2)
    assert not scope.cancelled_caught


async def test_what_the_block_raises_comes_out_as_it_is(clock):
    with pytest.raises(KeyError, match="inside"), fail_after(clock, 3):
        raise KeyError("inside")


def test_the_system_clock_tells_the_machines_time():
    before = time.monotonic()
    assert before <= SYSTEM.monotonic() <= time.monotonic()
    assert abs(SYSTEM.wall() - time.time()) < 60


async def test_the_system_clock_sleeps_and_keeps_deadlines():
    before = SYSTEM.monotonic()
    await SYSTEM.sleep(0.01)
    with SYSTEM.move_on_after(0.01) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert SYSTEM.monotonic() - before >= 0.02
    with pytest.raises(TimeoutError), fail_after(SYSTEM, 0):
        await anyio.sleep_forever()


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()])
def test_both_are_clocks(clock):
    def needs(clock: Clock) -> float:
        return clock.monotonic()

    assert needs(clock) >= 0
