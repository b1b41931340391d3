"""F2, F3, F11, F14, F20: agents that die, sleep or are told to stop with work in their hands."""

import signal
import time
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from mas import open_system
from tests.faults.cast import Receiver, Sender
from tests.faults.checker import Journal, check
from tests.faults.runner import process
from tests.redis.waiting import until
from tests.world import ENVIRON, asking, deployment, letters

LEASE = 1.0


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal")


class Stage:
    """A gateway and a sender here, and any number of receivers in processes of their own."""

    def __init__(self, client, system, config, backend, stack):
        self.client, self.a = client, system.agent("a")
        self._config, self._backend, self._stack = config, backend, stack

    async def receiver(self, *, waiting=False):
        started = process(self._config, "agents", self._backend, waiting=waiting)
        return await self._stack.enter_async_context(started)

    async def quiet(self):
        await until(lambda: self.client.xlen("agent.stream:b") == 0, within=20, every=0.01)
        await until(lambda: self.client.xlen("mas.gateway.ingress") == 0)


@pytest.fixture
def stage(redis_url, journal, anyio_backend):
    @asynccontextmanager
    async def opened(**delivery):
        limits = {"delivery": {"lease": LEASE, "backoff_first": 0.01, "backoff_cap": 0.01, **delivery}}
        receiver = {
            "class_path": "tests.faults.cast:Receiver",
            "init_kwargs": {"journal": str(journal.path)},
            "concurrency": delivery.pop("concurrency", 4),
        }
        limits["delivery"].pop("concurrency", None)
        here = deployment(redis_url, gateway=limits, a=Sender, b=Receiver)
        # The receiver is known here, so that it may be written to, and runs elsewhere.
        here["agents"] = here["agents"][:1]
        there = {**deployment(redis_url, gateway=limits, b=receiver), "permissions": []}
        with asking(redis_url) as client:
            async with open_system(here, environ=ENVIRON) as system, AsyncExitStack() as stack:
                yield Stage(client, system, there, anyio_backend, stack)

    return opened


def starts(journal):
    """Return number, attempt and process of each handler's start."""
    return [(int(number), int(attempt), int(pid)) for number, _, attempt, pid in journal.lines()]


async def test_what_a_killed_process_held_is_handled_by_another_after_the_lease_and_counted(stage, journal):
    async with stage() as play:
        first = await play.receiver()
        second = await play.receiver(waiting=True)
        await play.a.send("b", "hang.once", 7)
        await journal.reaches(1)
        first.signal(signal.SIGKILL)
        killed = time.monotonic()
        await first.ended()
        await second.go()
        for n in range(8, 28):
            await play.a.send("b", "work", n)
        await journal.reaches(22)
        waited = time.monotonic() - killed
        await play.quiet()
        assert [(attempt, pid) for n, attempt, pid in starts(journal) if n == 7] == [
            (1, first.pid),
            (2, second.pid),
        ]
        assert waited > LEASE / 2
        report = check(play.client, range(7, 28), journal.read(), "b")
    assert report == (21, 21, 0, 21, 1, 0, 0, 0, 0, 0, 0, 0), report


async def test_killed_between_its_effect_and_its_settlement_only_that_message_is_handled_twice(
    stage, journal
):
    async with stage(concurrency=1) as play:
        first = await play.receiver()
        second = await play.receiver(waiting=True)
        for n in range(30):
            await play.a.send("b", "die.once" if n == 10 else "work", n)
        assert await first.ended() == -signal.SIGKILL
        await second.go()
        await until(lambda: len({n for n, _, _ in starts(journal)}) == 30, within=20, every=0.01)
        await play.quiet()
        report = check(play.client, range(30), journal.read(), "b")
        assert [attempt for n, attempt, _ in starts(journal) if n == 10] == [1, 2]
    # What was handled and not yet settled in the same group may run again, never what came after.
    assert report.handled_dup <= 11
    assert report._replace(handled_dup=0) == (30, 30, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0), report


async def test_a_message_that_kills_its_process_spends_only_its_own_attempts(stage, journal):
    async with stage(max_attempts=2) as play:
        processes = [await play.receiver(waiting=True) for _ in range(3)]
        await processes[0].go()
        for n in range(20):
            await play.a.send("b", "die" if n == 5 else "slow", n)
        assert await processes[0].ended() == -signal.SIGKILL
        await processes[1].go()
        assert await processes[1].ended() == -signal.SIGKILL
        await processes[2].go()
        await play.quiet()
        assert [attempt for n, attempt, _ in starts(journal) if n == 5] == [1, 2]
        (letter,) = letters(play.client)
        assert (letter["decision"], letter["attempts"]) == ("DEAD_LETTERED", 2)
        assert letter["reason"] == "its receivers died over it"
        assert letter["envelope"]["data"] == 5
        report = check(play.client, range(20), journal.read(), "b")
    assert report._replace(handled_dup=0) == (20, 20, 0, 20, 0, 0, 1, 0, 0, 0, 0, 0), report


async def test_an_owner_that_slept_through_its_lease_undoes_nothing(stage, journal):
    async with stage() as play:
        first = await play.receiver()
        second = await play.receiver(waiting=True)
        await play.a.send("b", "hang.once", 1)
        await journal.reaches(1)
        first.signal(signal.SIGSTOP)
        await second.go()
        await journal.reaches(2)
        await play.quiet()
        first.signal(signal.SIGCONT)
        for n in range(2, 42):
            await play.a.send("b", "work", n)
        await journal.reaches(42)
        await play.quiet()
        report = check(play.client, range(1, 42), journal.read(), "b")
    assert report == (41, 41, 0, 41, 1, 0, 0, 0, 0, 0, 0, 0), report


async def test_told_to_stop_it_finishes_what_it_began_and_leaves_the_rest_pending(stage, journal):
    # Of one attempt: what was left and counted as started would never be handled.
    async with stage(max_attempts=1) as play:
        first = await play.receiver()
        second = await play.receiver(waiting=True)
        for n in range(60):
            await play.a.send("b", "slow", n)
        await journal.reaches(10)
        first.signal(signal.SIGTERM)
        assert await first.ended() == 0
        begun = journal.count()
        left = play.client.xlen("agent.stream:b")
        assert begun + left == 60
        assert left > 0
        await second.go()
        await journal.reaches(60)
        await play.quiet()
        report = check(play.client, range(60), journal.read(), "b")
    assert report == (60, 60, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0), report
