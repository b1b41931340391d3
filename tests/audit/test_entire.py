"""A query finds what went into archives like what is still in Redis, each record once."""

import gzip
import os

import anyio
import anyio.lowlevel
import pytest

from mas.audit import Filter, Trail, entire
from mas.audit.archive import Archive as Kept
from mas.audit.archive import archives_in, holes, keep, listed
from mas.audit.entire import _CLOCKS, _reaching
from mas.audit.entry import order
from mas.audit.seal import sealed_of
from mas.audit.source import read_file
from mas.errors import IntegrityError
from tests.audit.conftest import KEYS


@pytest.fixture
async def long(desk):
    """1,600 records, of which the oldest went into archives."""
    for _ in range(4):
        await desk.write(400)
        await desk.seal_all(seal_batch=50)
    every = [found async for found in desk.trail.query(Filter(trail=Trail.MESSAGES))]
    assert len(every) == 1600
    for most in (1300, 1000):
        async with desk.sealing(seal_batch=50, max_records=most):

            async def trimmed(most=most):
                return await desk.redis.call("XLEN", KEYS.audit_messages) <= most

            await desk.until(trimmed)
    assert len(list(archives_in(desk.places.archive))) > 1
    return desk, every


async def asked(desk, **wanted):
    return [found async for found in desk.trail.query(Filter(trail=Trail.MESSAGES, **wanted))]


async def test_all_is_found_in_order_and_once(long):
    desk, every = long
    assert await asked(desk) == every


async def test_a_time_range_may_begin_or_end_or_lie_in_an_archive(long):
    desk, every = long
    for first, last in ((10, 100), (200, 1500), (1400, 1500), (0, 700)):
        since, until = every[first].seconds, every[last].seconds
        expected = [found for found in every if since <= found.seconds < until]
        assert await asked(desk, since=since, until=until) == expected


async def test_what_else_is_asked_for_is_found_in_archives_too(long):
    desk, every = long
    for wanted, field in (("sender", "ann"), ("decision", "AUTHZ_DENIED")):
        expected = [found for found in every if found.record[wanted] == field]
        assert await asked(desk, **{wanted: field}) == expected
    assert await asked(desk, correlation=every[3].record["message_id"]) == [every[3]]


async def test_an_archive_that_was_made_but_not_yet_trimmed_is_not_read_twice(desk, monkeypatch):
    await desk.write(1500)
    await desk.seal_all(seal_batch=100)
    every = await asked(desk)

    async def crash(*_args, **_more):
        raise OSError("the machine stops here")

    with monkeypatch.context() as patched:
        patched.setattr("mas.audit.chain.trim", crash)
        sealer = desk.sealer(max_records=1000)
        sealer._author = await sealer._take_up()
        await sealer._lease.keep()
        with pytest.raises(OSError, match="stops here"):
            await sealer._retire()
        await sealer._lease.let_go()
    assert list(archives_in(desk.places.archive))
    assert await asked(desk) == every
    # As a trim between two questions of a query would have it.
    await desk.redis.call("XDEL", KEYS.audit_messages, *[found.id for found in every[:150]])
    assert await asked(desk) == every
    assert not (await desk.verify(archives=True)).intact, "a proof does without such help"


async def test_records_that_were_deleted_are_missed(desk, caplog):
    await desk.write(100)
    await desk.seal_all(seal_batch=10)
    every = await asked(desk)
    assert caplog.messages == []
    await desk.redis.call("XDEL", KEYS.audit_messages, every[25].id)
    assert await asked(desk) == [found for found in every if found is not every[25]]
    assert "records are missing from the answer, and in no archive here" in caplog.messages


async def test_what_goes_into_an_archive_while_somebody_reads_is_neither_missed_nor_doubled(long):
    desk, every = long
    found = []
    async for each in desk.trail.query(Filter(trail=Trail.MESSAGES)):
        found.append(each)
        if len(found) == 1:
            await desk.write(1500)
            async with desk.sealing(seal_batch=50, max_records=1000):

                async def trimmed():
                    return await desk.redis.call("XLEN", KEYS.audit_messages) <= 1000

                await desk.until(trimmed)
    ids = [each.id for each in found]
    assert ids[: len(every)] == [each.id for each in every]
    assert len(ids) == len(set(ids)) == len(every) + 1500


async def test_what_is_trimmed_after_the_first_look_is_not_missed_either(desk, monkeypatch):
    for _ in range(4):
        await desk.write(400)
        await desk.seal_all(seal_batch=50)
    every = await asked(desk)
    since = every[500].seconds
    assert every[0].seconds < since
    look = entire._reaches_back

    async def trimmed():
        return await desk.redis.call("XLEN", KEYS.audit_messages) <= 1000

    async def look_before_a_trim(*of):
        reaches_back = await look(*of)
        async with desk.sealing(seal_batch=50, max_records=1000):
            await desk.until(trimmed)
        return reaches_back

    monkeypatch.setattr(entire, "_reaches_back", look_before_a_trim)
    assert await asked(desk, since=since) == [found for found in every if found.seconds >= since]


async def test_whoever_asks_an_archive_leaves_others_their_turns(long):
    desk, _ = long
    turns = 0

    async def take_turns():
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    archive = max(archives_in(desk.places.archive), key=lambda path: path.stat().st_size)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take_turns)
        await anyio.lowlevel.checkpoint()
        before = turns
        assert [found async for found in desk.trail.query_file(archive, Filter(sender="nobody"))] == []
        tasks.cancel_scope.cancel()
    # A turn for each range at least, and one for the record of the look.
    assert turns - before > 3


async def test_nothing_is_left_of_an_archive_that_could_not_be_written(desk, monkeypatch):
    await keep(b"whole", desk.places.archive / "audit-0000000001-0000000001.jsonl.gz")

    def full(_):
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(OSError, match="no space left"):
            await keep(b"cut", desk.places.archive / "audit-0000000002-0000000002.jsonl.gz")
    assert [path.name for path in desk.places.archive.iterdir()] == ["audit-0000000001-0000000001.jsonl.gz"]


async def test_what_a_killed_process_left_of_an_archive_is_swept_up(desk):
    name = "audit-0000000001-0000000001.jsonl.gz"
    desk.places.archive.mkdir()
    old, young = (desk.places.archive / f"{name}.draft-{pid}" for pid in (1, 2))
    for draft in (old, young):
        draft.touch()
    os.utime(old, (0, 0))
    await keep(b"whole", desk.places.archive / name)
    assert sorted(path.name for path in desk.places.archive.iterdir()) == [name, young.name]


async def test_an_archive_that_is_not_here_is_told_of_and_only_where_it_matters(long, caplog):
    desk, every = long
    gone = next(iter(archives_in(desk.places.archive)))
    lost = {entry[0].decode() for chunk in read_file(gone) if chunk.trail for entry in chunk.entries}
    gone.unlink()
    assert await asked(desk) == [found for found in every if found.id not in lost]
    assert any("and in no archive here" in message for message in caplog.messages)
    caplog.clear()
    recent = await asked(desk, since=every[-100].seconds)
    assert recent == [found for found in every if found.seconds >= every[-100].seconds]
    assert caplog.messages == []


async def test_a_damaged_archive_is_an_error_and_no_shorter_answer(long):
    desk, _ = long
    path = next(iter(archives_in(desk.places.archive)))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match=f"{path.name}:.*damaged from here on"):
        await asked(desk)


async def test_archives_that_are_too_old_to_matter_are_left_alone(long):
    desk, every = long
    archives = listed(desk.places.archive)
    (sealed,) = [
        order(seal[0])[0] / 1000
        for seal in await desk.raw(KEYS.audit_seals)
        if (link := sealed_of(seal)) and link.seal.sequence == archives[-1].last + 1
    ]
    assert _reaching(desk.places.archive, 0.0) == archives
    assert _reaching(desk.places.archive, sealed) == archives, "clocks may differ by an hour"
    archives[0].path.write_bytes(b"damaged")
    assert _reaching(desk.places.archive, sealed + _CLOCKS + 1) == archives[-1:]
    for each in archives[1:]:
        each.path.write_bytes(b"damaged")
    assert len(_reaching(desk.places.archive, sealed + _CLOCKS + 1)) == len(archives), "they cannot say"
    with pytest.raises(IntegrityError):
        await asked(desk, since=every[0].seconds)


async def test_records_of_the_same_moment_are_found_on_both_sides_of_a_trim(long):
    desk, every = long
    oldest = (await desk.raw(KEYS.audit_messages))[0][0].decode()
    (here,) = [found for found in every if found.id == oldest]
    assert await asked(desk, since=here.seconds) == [each for each in every if each.seconds >= here.seconds]


async def test_an_archive_passes_over_what_its_seals_rule_out(long):
    desk, _ = long
    for path in archives_in(desk.places.archive):
        ruled_out = Filter(trail=Trail.MESSAGES, sender="nobody")
        assert not [chunk for chunk in read_file(path, wanted=ruled_out.wants) if chunk.trail]
        assert [chunk for chunk in read_file(path) if chunk.trail]


async def test_archives_and_redis_are_verified_as_one_chain_from_the_first_seal_on(long):
    desk, every = long
    live, whole = await desk.verify(), await desk.verify(archives=True)
    assert live.flaws == whole.flaws == []
    assert (live.first_seal > 1, whole.first_seal, whole.last_seal) == (True, 1, live.last_seal)
    assert whole.sealed + whole.unsealed >= len(every) > live.sealed
    shares = []
    await desk.verify(archives=True, progress=lambda _, share: shares.append(share))
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.5 < shares[-1] <= 1


async def test_verified_with_its_archives_a_trail_shows_that_one_is_gone(long):
    desk, _ = long
    first, second, *_ = await desk.trail.archives()
    second.path.unlink()
    assert (await desk.verify()).intact
    (flaw,) = (await desk.verify(archives=True)).flaws[:1]
    assert flaw.problem.startswith(f"follows seal {first.last}: those between are gone")
    first.path.unlink()
    (flaw,) = (await desk.verify(archives=True)).flaws[:1]
    assert "are in no archive here" in flaw.problem


async def test_verified_with_its_archives_a_trail_shows_what_was_changed_in_one(long):
    desk, every = long
    path = next(iter(archives_in(desk.places.archive)))
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    lines[3] = lines[3].replace(b'"sender":"', b'"sender":"x')
    path.write_bytes(gzip.compress(b"".join(lines)))
    (flaw,) = (await desk.verify(archives=True)).flaws
    assert (flaw.where, flaw.problem) == (every[3].id, "it was altered (seal 1)")
    path.write_bytes(gzip.compress(b"".join(lines))[:-100])
    flaw, *_ = (await desk.verify(archives=True)).flaws
    assert flaw.where.startswith(str(path)) or flaw.where == every[3].id


async def test_the_archives_are_listed_by_the_seals_they_hold(long):
    desk, _ = long
    archives = await desk.trail.archives()
    assert [each.path for each in archives] == list(archives_in(desk.places.archive))
    assert archives[0].first == 1
    assert holes(archives, 1, archives[-1].last) == []
    told = (await desk.trail.stats())["archives"]
    assert (told["kept"], told["missing"]) == (len(archives), [])
    archives[0].path.unlink()
    assert (await desk.trail.stats())["archives"]["missing"] == [(1, archives[0].last)]


@pytest.mark.parametrize(
    ("kept", "missing"),
    [
        ([], [(1, 9)]),
        ([(1, 9)], []),
        ([(1, 3), (4, 9)], []),
        ([(1, 5), (2, 3), (4, 12)], []),
        ([(4, 6)], [(1, 3), (7, 9)]),
        ([(1, 3), (6, 7)], [(4, 5), (8, 9)]),
        ([(20, 30)], [(1, 9)]),
    ],
)
def test_the_seals_that_no_archive_has(kept, missing, tmp_path):
    assert holes([Kept(tmp_path, first, last, 1) for first, last in kept], 1, 9) == missing


async def test_an_archive_of_another_chain_is_never_overwritten(desk):
    for _ in range(2):
        await desk.write(1500)
        await desk.seal_all(seal_batch=100)
        async with desk.sealing(seal_batch=100, max_records=1000):

            async def archived():
                return await desk.redis.call("XLEN", KEYS.audit_messages) < 1500

            await desk.until(archived)
        await desk.redis.call("FLUSHALL")
        desk.places.seals.unlink()
        desk.counter.begin_run()
    (kept,) = desk.places.archive.glob("*.gz")
    (aside,) = desk.places.archive.glob("*.gz.1")
    assert [each.path for each in listed(desk.places.archive)] == [kept]
    assert aside.read_bytes() != kept.read_bytes()
    assert aside.stat().st_mode & 0o777 == 0o600
