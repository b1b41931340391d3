"""What is remembered of the runs of numbers: enough to find each copy, and no more than must be."""

import anyio
import pytest

from mas.audit import EventKind, Events, Trail
from mas.audit.continuity import Continuity
from mas.audit.record import BRIEF_LIFE, RUN_LIFE, Counter
from mas.audit.seal import sealed_of
from mas.clock import SystemClock
from tests.audit.conftest import KEYS
from tests.audit.test_numbers import KEY, SECONDS, committed, told
from tests.audit.trail import KEYRING


def commands(desk, count, **more):
    """Return the pens of as many commands."""
    return [Events(desk.redis, KEYS, KEYRING, "operator", brief=True, **more) for _ in range(count)]


def test_a_brief_run_lasts_a_minute_and_a_copy_of_it_is_known_for_one_after_that():
    counter = Counter("g", KEY, brief=True)
    (old,) = committed(counter, [True], now=SECONDS)
    (new,) = committed(counter, [True], now=SECONDS + BRIEF_LIFE)
    assert (old.run != new.run, new.count) == (True, 1)
    continuity = Continuity()
    assert told(continuity, [old]) == []
    (problem,) = told(Continuity(continuity.state(SECONDS)), [old], b"%d-0" % ((SECONDS + 110) * 1000))
    assert "again" in problem
    later = Continuity(continuity.state(SECONDS + 121))
    assert later.state(0) == {}
    (problem,) = told(later, [old], b"%d-0" % ((SECONDS + 121) * 1000))
    assert "copy of an old record" in problem


async def test_a_seal_does_not_grow_with_each_command_of_the_day(desk):
    """A command that reads or changes something writes an event, in a run of its own."""
    sizes = []
    for _ in range(2):
        for pen in commands(desk, 100):
            await pen.write(EventKind.CONTROL, "restart b")
        await desk.seal_all()
        (_, fields) = (await desk.raw(KEYS.audit_seals))[-1]
        link = sealed_of([b"1-0", fields])
        assert link is not None
        sizes.append(len(Continuity(link.seal.state.runs).state(SystemClock().wall() + 2 * BRIEF_LIFE + 1)))
    assert sizes == [0, 0]
    assert (await desk.verify()).flaws == []


@pytest.mark.parametrize("off", [-3 * RUN_LIFE, -4000, 4000, 3 * RUN_LIFE])
async def test_a_process_whose_clock_is_wrong_breaks_no_trail_with_its_events(desk, off):
    class Wrong(SystemClock):
        def wall(self):
            return super().wall() + off

    (pen,) = commands(desk, 1, clock=Wrong())
    for _ in range(3):
        await pen.write(EventKind.CONTROL, "restart b")
    await desk.seal_all()
    assert (await desk.verify()).flaws == []


async def test_of_too_many_events_only_those_that_are_given_up_are_missing(desk, monkeypatch, caplog):
    monkeypatch.setattr("mas.audit.events._KEPT", 3)
    (pen,) = commands(desk, 1)
    put, asked, go = pen._put, anyio.Event(), anyio.Event()

    async def slowly(told):
        if not asked.is_set():
            asked.set()
            await go.wait()
        await put(told)

    pen._put = slowly
    async with anyio.create_task_group() as tasks:
        pen.post(EventKind.CONTROL, "first")
        tasks.start_soon(pen.flush)
        await asked.wait()
        # One more than may wait: the first is given up, while it is being written.
        for name in ("second", "third", "fourth"):
            pen.post(EventKind.CONTROL, name)
        go.set()
    subjects = [found[1][1] for found in await desk.raw(Trail.SECURITY.stream(KEYS))]
    for subject in (b"first", b"second", b"third", b"fourth"):
        assert any(b'"subject":"%s"' % subject in body for body in subjects), subject
