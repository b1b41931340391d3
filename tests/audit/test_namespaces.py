"""Several systems in one Redis, told apart by their namespaces, may share a directory and a key."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from mas.audit import PublicKeys, Trail, trail_key, verify_file
from mas.audit.access import outside_seals
from mas.audit.archive import archives_in
from mas.audit.places import Places
from mas.audit.seal import RestartSeal, sealed_of
from mas.keys import Keys
from mas.settings import AuditSettings, load
from tests.audit import conftest
from tests.audit.conftest import Desk
from tests.audit.trail import KEYRING

NAMES = ("", "staging")


@pytest.fixture
def systems(desk, monkeypatch):
    """Return what makes one of two systems the one that a desk is at."""
    desks = {name: Desk(desk.redis, desk.directory, desk.url) for name in NAMES}

    @asynccontextmanager
    async def at(name: str) -> AsyncGenerator[Desk]:
        with monkeypatch.context() as patched:
            keys = Keys(name)
            patched.setattr(conftest, "KEYS", keys)
            here = desks[name]
            # Made anew, with the names of this system.
            fresh = Desk(here.redis, here.directory, here.url)
            fresh.places = Places.of(AuditSettings(), here.directory, here.directory, name)
            fresh.counter = here.counter
            fresh.counter._key = trail_key(KEYRING, Trail.MESSAGES.stream(keys))
            fresh.trail = fresh.trail.__class__(fresh.redis, keys, KEYRING, fresh.events, fresh.places)
            yield fresh

    return at


async def restarts(desk, keys):
    links = [sealed_of(entry) for entry in await desk.raw(keys.audit_seals)]
    return [link for link in links if link and isinstance(link.seal, RestartSeal)]


async def archive_some(desk, keys):
    await desk.write(1500)
    await desk.seal_all(seal_batch=50)

    async def trimmed():
        return await desk.redis.call("XLEN", keys.audit_messages) <= 1000

    async with desk.sealing(seal_batch=50, max_records=1000):
        await desk.until(trimmed)


async def test_neither_takes_the_seals_of_the_other_for_its_own(systems):
    for name in NAMES * 3:
        async with systems(name) as desk:
            await desk.write(60 if name else 20)
            await desk.seal_all(seal_batch=10)
    for name in NAMES:
        async with systems(name) as desk:
            assert await restarts(desk, Keys(name)) == []
            report = await desk.verify()
            assert (report.flaws, report.exit_code, report.namespace) == ([], 0, name)
            assert report.outside == report.seals


async def test_neither_moves_an_archive_of_the_other_out_of_the_way(systems):
    for name in NAMES:
        async with systems(name) as desk:
            await archive_some(desk, Keys(name))
    for name in NAMES:
        async with systems(name) as desk:
            report = await desk.verify(archives=True)
            assert (report.flaws, report.first_seal) == ([], 1)


async def test_a_chain_or_an_archive_of_another_system_is_not_taken_for_this_ones(systems):
    async with systems(NAMES[0]) as desk:
        await desk.write(1500)
        await desk.seal_all(seal_batch=50)
    ours, theirs = Keys(NAMES[0]), Keys(NAMES[1])
    async with systems(NAMES[1]) as desk:
        await archive_some(desk, theirs)
        (path, *_) = archives_in(desk.places.archive)
        report = verify_file(path, PublicKeys.load(desk.places.public))
        assert (report.intact, report.namespace) == (True, NAMES[1])
    async with systems(NAMES[0]) as desk:
        for name in ("audit_seals", "audit_messages", "audit_security"):
            await desk.redis.call("COPY", getattr(theirs, name), getattr(ours, name), "REPLACE")
        report = await desk.trail.verify(outside=outside_seals(desk.places.seals))
        assert any("another system" in flaw.problem for flaw in report.flaws)
        await desk.write(10)
        await desk.seal_all()
        assert len(await restarts(desk, ours)) == 1


def test_each_has_a_directory_of_its_own_for_dead_letters(tmp_path):
    """Letters of another system do not open: each one met would be an alarm."""
    kept = [load({"data_dir": tmp_path, "namespace": name}, environ={}).letter_archive for name in NAMES]
    assert kept == [tmp_path / "dead-letters", tmp_path / "dead-letters" / NAMES[1]]
