"""Sealing a live trail: without gap, without fork, whoever dies; archived and trimmed, it still verifies."""

import stat
import sys

import pytest

from mas.audit import EventKind, Filter, PublicKeys, Trail, verify_file
from mas.audit.access import outside_seals
from mas.audit.archive import archives_in
from mas.audit.seal import RestartSeal, TrimSeal, sealed_of
from mas.clock import SystemClock
from mas.errors import ConfigurationError
from tests.audit.conftest import KEYS, Desk


async def chain_of(desk):
    links = [sealed_of(entry) for entry in await desk.raw(KEYS.audit_seals)]
    assert None not in links
    return [link.seal for link in links if link]


async def alarms(desk):
    await desk.events.flush()
    wanted = Filter(decision="ALARM")
    return [found.record["detail"] async for found in desk.trail.query(wanted)]


async def records_at_most(desk, most, stream=KEYS.audit_messages):
    return await desk.redis.call("XLEN", stream) <= most


async def test_what_is_written_is_sealed_and_kept_outside_as_well(desk):
    await desk.write(2500)
    await desk.events.write(EventKind.CONTROL, "restart b")
    await desk.seal_all()
    report = await desk.verify()
    assert report.flaws == []
    assert report.sealed >= 2501
    assert report.outside == report.seals == len(await chain_of(desk))
    assert report.exit_code == 0
    assert stat.S_IMODE(desk.places.key.stat().st_mode) == 0o600


async def test_no_seal_covers_more_than_its_batch(desk):
    await desk.write(500)
    await desk.seal_all(seal_batch=64)
    counts = [seal.count for seal in await chain_of(desk) if seal.trail == Trail.MESSAGES]
    assert sum(counts) == 500
    assert max(counts) == 64


async def test_a_burst_is_sealed_long_before_the_interval_is_over(desk):
    async with desk.sealing(seal_interval=60, seal_batch=100):
        await desk.write(1)
        await desk.until_sealed()
        await desk.write(1000)
        await desk.until(lambda: sealed_at_least(desk, 900))


async def sealed_at_least(desk, count):
    return int(await desk.redis.call("HGET", KEYS.audit_sealed, "messages") or 0) >= count


async def test_the_rest_is_sealed_on_the_way_out(desk):
    async with desk.sealing(seal_interval=60) as sealer:
        await desk.write(1)
        await desk.until_sealed()
        await desk.write(700)
    assert sealer is not None
    assert (await desk.trail.stats())[Trail.MESSAGES]["unsealed"] == 0


async def test_each_sealer_goes_on_where_the_one_before_stopped(desk):
    for _ in range(4):
        await desk.write(130)
        await desk.seal_all(seal_batch=50)
    report = await desk.verify()
    assert report.flaws == []
    seals = await chain_of(desk)
    assert [seal.sequence for seal in seals] == list(range(1, len(seals) + 1))


async def test_sealers_that_all_believe_in_their_lease_do_not_fork_the_chain(desk, monkeypatch):
    async def always(_):
        return True

    monkeypatch.setattr("mas.redis.lease.Lease.keep", always)
    desk.places.key.parent.mkdir(exist_ok=True)
    async with desk.sealing(seal_batch=20), desk.sealing(seal_batch=20), desk.sealing(seal_batch=20):
        for _ in range(20):
            await desk.write(50)
        await desk.until_sealed()
    report = await desk.verify()
    assert report.flaws == []
    assert sum(seal.count for seal in await chain_of(desk) if seal.trail == Trail.MESSAGES) == 1000


async def test_a_sealer_whose_key_is_another_seals_nothing_and_raises_an_alarm(desk, redis_url, tmp_path):
    await desk.write(10)
    await desk.seal_all()
    stranger = Desk(desk.redis, tmp_path / "elsewhere", desk.url)
    async with stranger.sealing():
        await desk.write(10)
        await desk.until(lambda: alarms(stranger))
    assert "is signed by key" in (await alarms(stranger))[0]
    assert (await desk.trail.stats())[Trail.MESSAGES]["unsealed"] == 10


async def test_a_sealer_that_cannot_seal_leaves_the_lease_to_one_that_can(desk, tmp_path):
    await desk.write(10)
    await desk.seal_all()
    stranger = Desk(desk.redis, tmp_path / "elsewhere", desk.url)
    async with stranger.sealing():
        await desk.until(lambda: alarms(stranger))
        await desk.write(10)
        await desk.seal_all()
    assert (await desk.verify()).flaws == []


async def test_a_sealer_that_is_busy_lets_another_go_first(desk, monkeypatch):
    monkeypatch.setattr("mas.audit.sealer.LEASE", 3600)
    async with desk.sealing(suited=False):
        await desk.write(10)
        await desk.seal_all()


async def test_a_sealer_that_is_busy_seals_until_one_comes_that_is_not_and_then_leaves_it_to_that_one(
    desk, monkeypatch
):
    monkeypatch.setattr("mas.audit.sealer.LEASE", 0.2)
    monkeypatch.setattr("mas.audit.sealer._RENEWAL", 0.05)
    async with desk.sealing(suited=False):
        await desk.write(10)
        await desk.until_sealed()
        busy = await desk.redis.call("GET", KEYS.audit_sealer)
        async with desk.sealing():
            await desk.until(lambda: held_by_another(desk, busy))
            suited = await desk.redis.call("GET", KEYS.audit_sealer)
            for _ in range(10):
                await desk.write(10)
                await desk.until_sealed()
            assert await desk.redis.call("GET", KEYS.audit_sealer) == suited
        await desk.write(10)
        await desk.until_sealed()
        assert await desk.redis.call("GET", KEYS.audit_sealer) == busy
    assert (await desk.verify()).flaws == []


async def held_by_another(desk, holder):
    return await desk.redis.call("GET", KEYS.audit_sealer) not in {None, holder}


async def test_a_record_that_nobody_may_have_written_is_sealed_with_its_flaw_and_stays_on_record(desk):
    await desk.write(20)
    await desk.redis.call(
        "XADD", KEYS.audit_messages, "*", "record", '{"decision":"ALLOWED"}', "mac", "0" * 64
    )
    await desk.write(20)
    await desk.seal_all()
    (flaw,) = (await desk.verify()).flaws
    assert (flaw.trail, "MAC" in flaw.problem) == ("messages", True)
    assert [problem for problem in await alarms(desk) if "MAC" in problem]


async def test_after_a_flush_the_chain_goes_on_and_says_what_is_gone(desk):
    await desk.write(100)
    await desk.seal_all()
    last = len(await chain_of(desk))
    await desk.redis.call("FLUSHALL")
    await desk.write(50)
    await desk.seal_all()
    first, *_ = await chain_of(desk)
    assert isinstance(first, RestartSeal)
    assert (first.sequence, first.found) == (last + 1, 0)
    report = await desk.verify()
    assert report.exit_code == 1
    assert [problem for problem in await alarms(desk) if "redis has ends at 0" in problem]


async def test_seals_cut_off_at_the_end_are_noticed_by_the_next_sealer(desk):
    for _ in range(3):
        await desk.write(50)
        await desk.seal_all()
    seals = await desk.raw(KEYS.audit_seals)
    for entry_id, _ in seals[2:]:
        await desk.redis.call("XDEL", KEYS.audit_seals, entry_id)
    assert (await desk.verify()).exit_code == 1
    await desk.write(50)
    await desk.seal_all()
    restart = next(seal for seal in await chain_of(desk) if isinstance(seal, RestartSeal))
    assert (restart.found, restart.sequence) == (2, len(seals) + 1)
    assert (await desk.verify()).exit_code == 1


async def test_seals_cut_off_just_before_the_end_are_noticed_by_the_sealer_that_ends(desk):
    async with desk.sealing(seal_interval=60):
        await desk.write(50)
        await desk.until_sealed()
        *_, (last, _) = await desk.raw(KEYS.audit_seals)
        await desk.redis.call("XDEL", KEYS.audit_seals, last)
        await desk.write(10)
    restart, after = (await chain_of(desk))[-2:]
    assert isinstance(restart, RestartSeal)
    assert restart.sequence == restart.found + 2
    assert after.count == 10
    assert [problem for problem in await alarms(desk) if f"redis has ends at {restart.found}" in problem]
    assert await desk.redis.call("GET", KEYS.audit_sealer) is None


async def test_archived_and_trimmed_the_trail_is_still_intact_and_so_is_each_archive_alone(desk, tmp_path):
    for _ in range(4):
        await desk.write(400)
        await desk.seal_all(seal_batch=50)
    copy = tmp_path / "seals-outside.jsonl"
    copy.write_bytes(desk.places.seals.read_bytes())
    async with desk.sealing(seal_batch=50, max_records=1000):
        await desk.until(lambda: records_at_most(desk, 1000))
    figures = await desk.trail.stats()
    archives = list(archives_in(desk.places.archive))
    assert archives
    assert any(isinstance(seal, TrimSeal) for seal in await chain_of(desk))
    report = await desk.verify()
    assert report.flaws == []
    assert report.archived_to > 0
    public, archived = PublicKeys.load(desk.places.public), 0
    for path in archives:
        offline = verify_file(path, public, outside=outside_seals(copy))
        assert offline.flaws == []
        assert offline.sealed > 0
        archived += offline.sealed
    assert archived + figures[Trail.MESSAGES]["records"] >= 1600
    await desk.write(100)
    await desk.seal_all()
    assert (await desk.verify()).flaws == []


async def test_what_is_too_old_goes_into_an_archive_although_there_is_room(desk):
    await desk.write(100)
    await desk.seal_all(seal_batch=10)
    oldest = int((await desk.raw(KEYS.audit_messages))[0][0].split(b"-")[0])

    class Later(SystemClock):
        def wall(self):
            return oldest / 1000 + 61

    async def archived():
        return list(archives_in(desk.places.archive))

    async with desk.sealing(clock=Later(), max_age=60.0):
        await desk.until(archived)
    assert (await desk.verify()).flaws == []


async def test_an_archive_may_hold_nothing_of_one_of_the_trails(desk, caplog):
    await desk.write(100)
    await desk.seal_all(seal_batch=50)
    for _ in range(2):
        for _ in range(1100):
            desk.events.post(EventKind.CONTROL, "somebody")
            await desk.events.flush()
        await desk.seal_all(seal_batch=50, max_records=100_000)
        async with desk.sealing(seal_batch=50, max_records=1000):
            await desk.until(lambda: records_at_most(desk, 1000, KEYS.audit_security))
    archived = list(archives_in(desk.places.archive))
    assert len(archived) > 1
    assert "cannot seal" not in caplog.messages
    report = await desk.verify()
    assert report.flaws == []
    events = len(await desk.raw(KEYS.audit_security))
    public = PublicKeys.load(desk.places.public)
    assert events + sum(verify_file(path, public).sealed for path in archived) >= 2300


async def test_nothing_unsealed_is_ever_trimmed(desk):
    await desk.write(1200)
    await desk.seal_all(seal_batch=100)
    await desk.write(3000)
    unsealed = {entry[0] for entry in (await desk.raw(KEYS.audit_messages))[1200:]}
    sealer = desk.sealer(max_records=1000)
    sealer._author = await sealer._take_up()
    await sealer._lease.keep()
    await sealer._retire()
    assert unsealed <= {entry[0] for entry in await desk.raw(KEYS.audit_messages)}
    assert list(archives_in(desk.places.archive))
    await sealer._lease.let_go()
    await desk.seal_all()
    assert (await desk.verify()).flaws == []


async def test_an_archive_that_cannot_be_kept_leaves_everything_in_redis(desk):
    await desk.write(1500)
    desk.places.archive.write_text("a file where the directory should be")

    async def complained():
        return [problem for problem in await alarms(desk) if "nothing can be archived" in problem]

    async with desk.sealing(seal_batch=100, max_records=1000):
        await desk.until(complained)
    assert (await desk.trail.stats())[Trail.MESSAGES]["records"] == 1500


async def test_a_new_key_takes_over_and_the_trail_verifies_with_the_first_one_alone(desk):
    async with desk.sealing():
        await desk.write(50)
        await desk.until_sealed()
        first = PublicKeys.load(desk.places.public)
        before = desk.places.key.read_bytes()
        await desk.trail.rotate_key()
        await desk.write(50)
        await desk.until_sealed()
    assert desk.places.key.read_bytes() != before
    report = await desk.verify(public=first)
    assert report.flaws == []
    assert len({seal.key for seal in await chain_of(desk)}) == 2


async def test_a_handover_that_was_cut_short_is_completed(desk, monkeypatch):
    await desk.write(10)
    await desk.seal_all()

    def crash(*_):
        raise OSError("the machine stops here")

    with monkeypatch.context() as patched:
        patched.setattr("mas.audit.keyfile.KeyFile.complete", crash)
        with pytest.raises(OSError, match="stops here"):
            await desk.trail.rotate_key()
    await desk.write(10)
    await desk.seal_all()
    assert (await desk.verify()).flaws == []


async def test_a_key_that_others_may_read_is_refused(desk):
    await desk.seal_all()
    desk.places.key.chmod(0o644)
    with pytest.raises(ExceptionGroup) as caught:
        await desk.seal_all()
    assert caught.group_contains(ConfigurationError, match="others may read")


async def test_seals_reach_a_command_and_wait_for_one_that_fails(desk, tmp_path):
    out, broken = tmp_path / "out.jsonl", tmp_path / "broken"
    broken.touch()
    script = (
        "import os, sys; data = sys.stdin.read(); "
        f"os.path.exists({str(broken)!r}) and sys.exit('not now'); open({str(out)!r}, 'a').write(data)"
    )

    async def complained():
        return [problem for problem in await alarms(desk) if "not now" in problem]

    async def handed_over():
        return out.exists()

    settings = {"sink": "command", "sink_command": (sys.executable, "-c", script)}
    async with desk.sealing(**settings):
        await desk.write(20)
        await desk.until_sealed()
        await desk.until(complained)
        broken.unlink()
        await desk.write(20)
        await desk.until_sealed()
        await desk.until(handed_over)
    handed = {link.seal.sequence for entry in outside_seals(out) if (link := sealed_of(entry))}
    assert handed == set(range(1, len(await chain_of(desk)) + 1))


async def test_the_file_of_the_sink_is_set_aside_and_a_line_cut_short_is_passed_over(desk):
    for _ in range(4):
        await desk.write(300)
        await desk.seal_all(seal_batch=10, sink_file_size=10_000, sink_files=2)
    aside = sorted(path.name for path in desk.directory.glob("audit-seals.jsonl*"))
    assert aside == ["audit-seals.jsonl", "audit-seals.jsonl.1", "audit-seals.jsonl.2"]
    with desk.places.seals.open("ab") as file:
        file.write(b'{"trail":"seals","id":"1-')
    await desk.write(100)
    await desk.seal_all()
    report = await desk.verify()
    assert report.flaws == []
    assert report.outside > 0
