"""Archives that are too old or too much are deleted; the chain says which, and vouches for the rest."""

import os
import time

import pytest

from mas.audit import Filter, Trail
from mas.audit.archive import archives_in, listed
from tests.audit.conftest import KEYS

HOUR = 3600.0
OLD = time.time() - 2 * HOUR


def kept(desk):
    return listed(desk.places.archive)


async def write_and_archive(desk, count, *, most, gone=(), **bounds):
    """Write so many records more, and have all but so many moved into archives, and these deleted."""
    await desk.write(count)
    await desk.seal_all(seal_batch=50)
    before = {each.path for each in kept(desk)}
    async with desk.sealing(seal_batch=50, max_records=most, **bounds):

        async def trimmed():
            left = await desk.redis.call("XLEN", KEYS.audit_messages)
            return left <= most and not any(each.path.exists() for each in gone)

        await desk.until(trimmed)
    assert {each.path for each in kept(desk)} - before


@pytest.fixture
async def shelves(desk):
    """Three archives, the first two written two hours ago."""
    for _ in range(3):
        await write_and_archive(desk, 1400, most=1000)
    archives = kept(desk)
    assert len(archives) >= 3
    for each in archives[:2]:
        os.utime(each.path, (OLD, OLD))
    return archives


async def test_unless_a_bound_is_set_none_is_ever_deleted(desk, shelves):
    for each in shelves:
        os.utime(each.path, (0, 0))
    await write_and_archive(desk, 1400, most=1000)
    assert {each.path for each in shelves} < {each.path for each in kept(desk)}
    assert (await desk.verify(archives=True)).deleted_to == 0


async def test_what_is_too_old_goes_as_another_is_written_and_the_rest_is_proven(desk, shelves):
    assert (await desk.verify(archives=True)).first_seal == 1
    await write_and_archive(desk, 1400, most=1000, gone=shelves[:2], archive_max_age=HOUR)
    assert kept(desk)[0].first == shelves[1].last + 1
    whole = await desk.verify(archives=True)
    assert (whole.intact, whole.exit_code) == (True, 0)
    assert (whole.deleted_to, whole.first_seal) == (shelves[1].last, shelves[1].last + 1)
    assert (await desk.verify()).intact
    (event,) = [
        found.record async for found in desk.trail.query(Filter(trail=Trail.SECURITY, decision="ARCHIVED"))
    ]
    assert event["detail"] == f"deleted 2 archives, up to seal {shelves[1].last}: too old, or too much"


async def test_what_is_too_much_goes_from_the_oldest_on_and_the_newest_stays(desk, shelves):
    await write_and_archive(desk, 1400, most=1000, gone=shelves, archive_max_bytes=1)
    (newest,) = kept(desk)
    assert newest.first > shelves[-1].last
    assert (await desk.verify(archives=True)).intact


async def test_one_that_went_without_a_word_of_the_chain_is_still_missed(desk, shelves):
    await write_and_archive(desk, 1400, most=1000, gone=shelves[:2], archive_max_age=HOUR)
    first = kept(desk)[0]
    first.path.unlink()
    flaw, *_ = (await desk.verify(archives=True)).flaws
    assert str(flaw) == f"seal {first.last + 1}: seals {first.first} to {first.last} are in no archive here"


async def test_what_could_not_be_deleted_goes_with_the_next_one(desk, shelves):
    obstacle = desk.places.archive / shelves[0].path.name
    content = obstacle.read_bytes()
    obstacle.unlink()
    obstacle.mkdir()
    os.utime(obstacle, (OLD, OLD))
    await write_and_archive(desk, 1400, most=1000, archive_max_age=HOUR)
    assert shelves[1].path.exists()
    obstacle.rmdir()
    obstacle.write_bytes(content)
    os.utime(obstacle, (OLD, OLD))
    await write_and_archive(desk, 1400, most=1000, gone=shelves[:2], archive_max_age=HOUR)
    assert not any(each.path.exists() for each in shelves[:2])
    assert (await desk.verify(archives=True)).intact


async def test_nothing_that_is_no_archive_is_touched(desk, shelves):
    strangers = [
        desk.places.archive / name for name in ("notes.txt", "audit-1.jsonl.gz", "audit-old.jsonl.gz")
    ]
    for path in strangers:
        path.write_text("mine")
        os.utime(path, (0, 0))
    await write_and_archive(desk, 1400, most=1000, gone=shelves, archive_max_bytes=1)
    assert len(kept(desk)) == 1
    assert all(path.exists() for path in strangers)
    assert set(strangers[1:]) < set(archives_in(desk.places.archive))
