"""Examination in a process of its own: same seals, and nothing is lost whatever becomes of the process."""

import hashlib
import os
import signal
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from mas.audit import Trail
from mas.audit.apart import NoAnswer
from mas.audit.apart.words import Examine
from mas.audit.archive import archives_in
from mas.audit.seal import RangeSeal, sealed_of
from mas.clock import ManualClock
from tests.audit.conftest import KEYS
from tests.audit.test_sealer import records_at_most
from tests.audit.trail import MACS


async def connections(desk):
    """Return what the process's connections asked last."""
    listed = (await desk.redis.call("CLIENT", "LIST")).decode()
    fields = [dict(field.split("=", 1) for field in line.split()) for line in listed.splitlines()]
    return [field["cmd"] for field in fields if field["name"] == "mas:examiner"]


@asynccontextmanager
async def examining(desk, **options):
    """Seal with a process that examines; it is there when the block begins."""
    clerk = desk.clerk(**options)
    async with desk.sealing(clerk=clerk, seal_batch=100):
        await until_ready(desk, clerk)
        yield clerk


async def until_ready(desk, clerk):
    async def ready():
        await desk.write(1)
        return clerk.ready

    await desk.until(ready)


async def test_many_records_are_examined_in_a_process_of_their_own(desk):
    async with examining(desk) as clerk:
        await desk.write(2500)
        await desk.until_sealed()
        assert await connections(desk) in (["xrange"], ["xlen"])
        process = clerk.pid
    report = await desk.verify()
    assert report.flaws == []
    assert report.sealed > 2500
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_without_an_answer_the_sealer_examines_for_itself_and_has_another_process_later(desk, how):
    async with examining(desk, patience=0.3) as clerk:
        lost = clerk.pid
        os.kill(lost, how)
        await desk.write(1000)
        await desk.until_sealed()
        await until_ready(desk, clerk)
        assert clerk.pid != lost
        await desk.write(1000)
        await desk.until_sealed()
    report = await desk.verify()
    assert report.flaws == []
    assert report.sealed > 2000


async def test_while_it_is_waited_for_in_vain_the_lease_on_the_chain_is_kept(desk):
    clerk = desk.clerk()
    async with desk.sealing(clerk=clerk, seal_batch=100):
        await until_ready(desk, clerk)
        holder = await desk.redis.call("GET", KEYS.audit_sealer)
        os.kill(clerk.pid, signal.SIGSTOP)
        await desk.write(500)

        async def sealed():
            assert await desk.redis.call("GET", KEYS.audit_sealer) == holder
            return (
                await desk.redis.call("HGET", KEYS.audit_sealed, Trail.MESSAGES)
                == str(await desk.redis.call("XLEN", KEYS.audit_messages)).encode()
            )

        await desk.until(sealed)
    assert (await desk.verify()).flaws == []


async def test_a_process_that_talks_nonsense_is_done_without(desk, monkeypatch):
    monkeypatch.setattr("mas.audit.apart.clerk._LONGEST", 10)
    async with desk.sealing(clerk=desk.clerk(), seal_batch=100):
        await desk.write(2000)
        await desk.until_sealed()
    assert (await desk.verify()).flaws == []


async def test_a_process_that_did_not_answer_in_time_is_asked_no_more(desk, monkeypatch):
    """Its answer may come all the same, and would be taken for that to the next question."""
    monkeypatch.setattr("mas.process.Owned.kill", lambda _: None)
    clerk = desk.clerk(patience=0.3)
    await desk.write(10)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clerk.run)

        async def ready():
            await checkpoint()
            clerk.note(5000.0)
            return clerk.ready

        await desk.until(ready)
        os.kill(clerk.pid, signal.SIGSTOP)
        with pytest.raises(NoAnswer):
            await clerk.examine(Examine(Trail.MESSAGES, "0-0", 5, {}))
        end = (await desk.raw(KEYS.audit_messages))[-1][0].decode()
        os.kill(clerk.pid, signal.SIGCONT)
        with pytest.raises(NoAnswer):
            await clerk.examine(Examine(Trail.MESSAGES, end, 5, {}))
        tasks.cancel_scope.cancel()


async def test_a_connection_that_breaks_costs_no_record(desk):
    async with examining(desk):
        for _ in range(5):
            await desk.write(300)
            for line in (await desk.redis.call("CLIENT", "LIST")).decode().splitlines():
                if " name=mas:examiner " in line:
                    await desk.redis.call("CLIENT", "KILL", "ID", line.split()[0].removeprefix("id="))
            await desk.until_sealed()
    report = await desk.verify()
    assert report.flaws == []
    assert report.sealed > 1500


async def test_it_finds_what_the_sealer_would(desk):
    async with examining(desk):
        await desk.write(50)
        forged = await desk.redis.call("XADD", KEYS.audit_messages, "*", "record", "{}", "mac", "0" * 64)
        await desk.write(50)
        await desk.until_sealed()
        # The counter's next number is never written: the record after it shows that one is gone.
        desk.counter.take()
        await desk.write(1)
        missing = (await desk.raw(KEYS.audit_messages))[-1][0]
        await desk.until_sealed()
    links = [link for entry in await desk.raw(KEYS.audit_seals) if (link := sealed_of(entry))]
    flaws = [flaw for link in links if isinstance(link.seal, RangeSeal) for flaw in link.seal.flaws]
    assert [flaw.where for flaw in flaws] == [forged.decode(), missing.decode()]
    assert "MAC is wrong" in flaws[0].problem
    assert "is gone from run" in flaws[1].problem


async def test_what_is_too_much_is_archived_there_too(desk):
    clerk, packed = desk.clerk(), []
    pack = clerk.pack

    async def noting(ask):
        packed.append((ask.path, await pack(ask)))
        return packed[-1][1]

    clerk.pack = noting
    async with desk.sealing(clerk=clerk, seal_batch=100, max_records=1000):
        await until_ready(desk, clerk)
        await desk.write(3000)
        await desk.until(lambda: records_at_most(desk, 1000))
    made = [
        (str(path), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in archives_in(desk.places.archive)
    ]
    assert made == packed != []
    assert (await desk.verify()).flaws == []


async def test_the_process_goes_when_little_is_left_to_do_and_comes_back(desk):
    async with examining(desk, many=50, idle=0.2) as clerk:
        process = clerk.pid
        await desk.until(lambda: _gone(clerk))
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
        await desk.until_sealed()
        await until_ready(desk, clerk)
    assert (await desk.verify()).flaws == []


async def test_the_process_goes_when_another_seals(desk):
    async with examining(desk, idle=0.2) as clerk:
        await desk.redis.call("SET", KEYS.audit_sealer, "0 nobody")

        async def gone():
            await desk.write(1)
            return not clerk.pid

        await desk.until(gone)


async def _gone(clerk):
    await checkpoint()
    return not clerk.pid


@pytest.mark.parametrize("paces", [[1999] * 9, [5000, 5000, 100] * 3], ids=["few", "soon over"])
async def test_what_is_not_much_for_long_is_worth_no_process(desk, paces):
    clock = ManualClock()
    clerk = desk.clerk(many=2000, lasting=1, clock=clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clerk.run)
        for pace in paces:
            clerk.note(pace)
            await clock.advance(0.9)
            assert clerk.pid == 0
        tasks.cancel_scope.cancel()


async def test_its_keys_travel_where_nobody_sees_them(desk):
    async with examining(desk) as clerk:
        process = Path(f"/proc/{clerk.pid}")
        shown = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    for key in MACS.values():
        assert key.hex().encode() not in shown
    assert desk.url.encode() not in shown
    assert MACS[Trail.MESSAGES].hex() not in repr(desk.clerk()._spec)
