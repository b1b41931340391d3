"""An agent that stops hands back what it had read and not begun: whoever is there takes it at once, in order.

The lease is minutes long here: whoever waited for it would not pass.
"""

from typing import Any

import anyio
import pytest

from mas import Agent
from mas.ids import AgentId
from mas.keys import AGENT_GROUP
from tests.redis.waiting import until
from tests.world import KEYS, Tally, asking, letters, running

STREAM = KEYS.stream(AgentId("b"))
LONG = {"delivery": {"lease": 300, "max_attempts": 1}}
AHEAD = 8
"""Messages in the window of an instance: one at work, the others read ahead."""


class Sender(Agent[dict[str, Any]]):
    """Says what the test tells it to."""


@pytest.fixture
def holds():
    """Give an agent class whose first handler waits to be let go; all instances share what they note."""

    class Holds(Agent[dict[str, Any]]):
        begun = Tally()
        go = anyio.Event()

        async def on_message(self, message):
            type(self).begun.note((message.data, message.attempt))
            if message.data == 0:
                await type(self).go.wait()

    return Holds


def held(client):
    """Return how many entries each consumer holds."""
    return {
        each["name"].decode(): each["pending"]
        for each in client.xinfo_consumers(STREAM, AGENT_GROUP)
        if each["pending"]
    }


def open_wide(seat):
    """Let an instance read ahead, as it does when its handlers were quick."""
    seat.life._inbox._window.size = AHEAD


def numbers(*spans):
    return [(n, 1) for span in spans for n in range(*span)]


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_another_instance_takes_what_one_that_stops_had_read_ahead(redis_url, holds, concurrency):
    spec = {"class_path": holds, "instances": 2, "concurrency": concurrency}
    async with running(redis_url, gateway=LONG, a=Sender, b=spec) as system:
        with asking(redis_url) as client:
            _, one, two = system.seats
            await system.root.stop("agents/b-2")
            if concurrency > 1:
                # All of them at work, with none to start another.
                holds.on_message = hold_all(holds)
            open_wide(one)
            for n in range(AHEAD):
                await system.agent("a").send("b", "work", n)
            await holds.begun.reaches(concurrency)
            await until(lambda: held(client) == {one.instance: AHEAD})
            await system.root.start("agents/b-2")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(system.root.stop, "agents/b-1")
                # The first are still under way.
                got = await holds.begun.reaches(2 * concurrency if concurrency > 1 else AHEAD)
                assert len(set(got)) == len(got)
                if concurrency == 1:
                    assert got == numbers((0, AHEAD))
                else:
                    assert sorted(got) == numbers((0, 2 * concurrency))
                    assert held(client)[two.instance] == AHEAD - concurrency
                holds.go.set()
            await until(lambda: client.xlen(STREAM) == 0)
            assert sorted(holds.begun.seen) == numbers((0, AHEAD))
            assert letters(client) == []
            # A lease that lapsed would count as a failure of the receiver.
            assert not client.exists(KEYS.circuit(AgentId("b")))


def hold_all(cls):
    async def on_message(self, message):
        cls.begun.note((message.data, message.attempt))
        await cls.go.wait()

    return on_message


async def test_the_next_process_begins_with_what_the_last_one_left(redis_url, holds):
    spec = {"class_path": holds, "concurrency": 1}
    with asking(redis_url) as client:
        async with (
            running(redis_url, gateway=LONG, parts={"gateway", "service"}, a=Sender, b=spec),
            running(redis_url, gateway=LONG, parts={"agents"}, a=Sender, b=Sender) as sending,
        ):
            await sending.root.stop("agents/b")
            async with running(redis_url, gateway=LONG, parts={"agents"}, a=Sender, b=spec) as system:
                open_wide(system.seats[1])
                for n in range(2 * AHEAD):
                    await sending.agent("a").send("b", "work", n, confirm=True)
                await holds.begun.reaches(1)
                await until(lambda: held(client) == {system.seats[1].instance: AHEAD})
                holds.go.set()
                system.seats[1].life.pause()
                await system.seats[1].life.quiet()
            left = client.xlen(STREAM)
            assert 0 < left < 2 * AHEAD
            async with running(redis_url, gateway=LONG, parts={"agents"}, a=Sender, b=spec):
                assert await holds.begun.reaches(2 * AHEAD) == numbers((0, 2 * AHEAD))
                await until(lambda: client.xlen(STREAM) == 0)
        assert letters(client) == []


async def test_an_instance_that_is_restarted_takes_its_own_mail_up_again(redis_url, holds):
    spec = {"class_path": holds, "concurrency": 1}
    async with running(redis_url, gateway=LONG, a=Sender, b=spec) as system:
        with asking(redis_url) as client:
            seat = system.seats[1]
            open_wide(seat)
            for n in range(AHEAD):
                await system.agent("a").send("b", "work", n)
            await holds.begun.reaches(1)
            await until(lambda: held(client) == {seat.instance: AHEAD})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(system.root.restart, "agents/b")
                await until(lambda: seat.life._inbox._workers.paused)
                holds.go.set()
            assert await holds.begun.reaches(AHEAD) == numbers((0, AHEAD))
            await until(lambda: client.xlen(STREAM) == 0)


async def test_clean_stops_under_load_lose_nothing_and_count_no_attempt(redis_url):
    count, rounds = 900, 4

    class Quick(Agent[dict[str, Any]]):
        begun = Tally()

        async def on_message(self, message):
            type(self).begun.note((message.data, message.attempt))
            await anyio.sleep(0.001)

    spec = {"class_path": Quick, "instances": 3, "concurrency": 2}
    async with running(redis_url, gateway=LONG, a=Sender, b=spec) as system:
        with asking(redis_url) as client:

            async def say():
                for n in range(count):
                    await system.agent("a").send("b", "work", n)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(say)
                for n in range(rounds):
                    await Quick.begun.reaches(count * (n + 1) // (rounds + 2))
                    for number in (1, 2, 3):
                        await system.root.restart(f"agents/b-{number}")
            await until(lambda: client.xlen(STREAM) == 0, within=30)
            assert sorted(Quick.begun.seen) == numbers((0, count))
            assert letters(client) == []
            assert not client.exists(KEYS.circuit(AgentId("b")))


async def test_order_at_concurrency_1_outlasts_clean_restarts(redis_url):
    count, rounds = 600, 4

    class Quick(Agent[dict[str, Any]]):
        begun = Tally()

        async def on_message(self, message):
            type(self).begun.note((message.data, message.attempt))

    async with running(
        redis_url, gateway=LONG, a=Sender, b={"class_path": Quick, "concurrency": 1}
    ) as system:

        async def say():
            for n in range(count):
                await system.agent("a").send("b", "work", n)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(say)
            for n in range(rounds):
                await Quick.begun.reaches(count * (n + 1) // (rounds + 2))
                await system.root.restart("agents/b")
        assert await Quick.begun.reaches(count) == numbers((0, count))


async def test_what_waits_for_another_attempt_is_taken_by_another_instance_and_counts_on(redis_url):
    slowly = {"delivery": {"lease": 300, "max_attempts": 3, "backoff_first": 600, "backoff_cap": 600}}

    class Failing(Agent[dict[str, Any]]):
        begun = Tally()

        async def on_message(self, message):
            type(self).begun.note((id(self), message.attempt))
            if message.attempt == 1:
                raise OSError("not yet")

    spec = {"class_path": Failing, "instances": 2, "concurrency": 1}
    async with running(redis_url, gateway=slowly, a=Sender, b=spec) as system:
        await system.root.stop("agents/b-2")
        await system.agent("a").send("b", "work", 0)
        (first,) = await Failing.begun.reaches(1)
        await system.root.start("agents/b-2")
        await system.root.stop("agents/b-1")
        _, second = await Failing.begun.reaches(2)
        assert (first[1], second[1]) == (1, 2)
        assert first[0] != second[0]


async def test_a_life_that_crashes_hands_back_what_it_had_not_begun(redis_url):
    class Crashing(Agent[dict[str, Any]]):
        begun = Tally()
        crash, go = anyio.Event(), anyio.Event()
        lives = 0

        async def on_start(self):
            type(self).lives += 1
            if type(self).lives == 1:
                await type(self).crash.wait()
                raise OSError("crashed")

        async def on_message(self, message):
            type(self).begun.note((message.data, message.attempt))
            await type(self).go.wait()

    spec = {"class_path": Crashing, "concurrency": 1}
    limits = {"delivery": {"lease": 300, "max_attempts": 2}}
    async with running(redis_url, gateway=limits, a=Sender, b=spec) as system:
        with asking(redis_url) as client:
            open_wide(system.seats[1])
            for n in range(AHEAD):
                await system.agent("a").send("b", "work", n)
            await Crashing.begun.reaches(1)
            await until(lambda: held(client) == {system.seats[1].instance: AHEAD})
            Crashing.crash.set()
            await Crashing.begun.reaches(2)
            Crashing.go.set()
            got = await Crashing.begun.reaches(AHEAD + 1)
            # Only what was begun in the life that crashed has lost an attempt.
            assert got == [(0, 1), (0, 2), *numbers((1, AHEAD))]
            await until(lambda: client.xlen(STREAM) == 0)
            assert letters(client) == []
