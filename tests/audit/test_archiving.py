"""What goes into an archive is what a trim takes away, an archive is proved alone, and sealing goes on."""

import gzip

import anyio
import pytest

from mas.audit import PublicKeys, Trail, archive, verify_file
from mas.audit.archive import archives_in, keep, listed
from mas.audit.entry import order
from mas.audit.lines import read_line, write_line
from mas.audit.seal import RestartSeal, TrimSeal, sealed_of
from mas.audit.source import read_file
from mas.clock import SystemClock
from mas.errors import MasError
from tests.audit.conftest import KEYS
from tests.test_threads import all_shared_threads_at_work


async def archived(desk, count=1500, each=50):
    """Return the archives of a trail of which about 500 records stay in Redis."""
    await desk.write(count)
    await desk.seal_all(seal_batch=each)
    async with desk.sealing(seal_batch=each, max_records=1000):

        async def trimmed():
            return await desk.redis.call("XLEN", KEYS.audit_messages) <= 1000

        await desk.until(trimmed)
    return list(archives_in(desk.places.archive))


def lines_of(path):
    return gzip.decompress(path.read_bytes()).splitlines(keepends=True)


def seal_places(lines):
    return [at for at, line in enumerate(lines) if read_line(line)[0] == "seals"]


def cut_head(lines):
    return lines[seal_places(lines)[1] + 1 :]


def cut_tail(lines):
    return lines[: seal_places(lines)[-2] + 1]


def append_a_record(lines):
    """Put the next record of a run at the end, without a MAC: nothing but a seal shows that it is none."""
    name, entry = next(read for line in reversed(lines) if (read := read_line(line))[0] != "seals")
    ms, sequence = order(entry[0])
    body = entry[1][1]
    number = int(body.partition(b'"count":')[2].partition(b",")[0])
    body = body.replace(b'"count":%d,' % number, b'"count":%d,' % (number + 1))
    return [*lines, write_line(name, [b"%d-%d" % (ms, sequence + 1), [b"record", body, b"mac", b"00"]])]


def repeat_a_range(lines):
    first, second = seal_places(lines)[:2]
    return [*lines, *lines[first + 1 : second + 1]]


CHANGES = [cut_head, cut_tail, append_a_record, repeat_a_range]


@pytest.mark.parametrize("change", CHANGES)
async def test_an_archive_that_lacks_or_has_more_than_its_name_says_is_broken_alone_and_with_the_rest(
    desk, change
):
    path, *_ = await archived(desk)
    public = PublicKeys.load(desk.places.public)
    assert verify_file(path, public).intact
    assert (await desk.verify(archives=True)).intact
    path.write_bytes(gzip.compress(b"".join(change(lines_of(path)))))
    assert not verify_file(path, public).intact
    assert not (await desk.verify(archives=True)).intact


@pytest.mark.parametrize("change", [cut_head, repeat_a_range])
async def test_an_export_whose_beginning_was_cut_off_or_that_has_a_range_twice_is_broken(
    desk, change, tmp_path
):
    await desk.write(300)
    await desk.seal_all(seal_batch=50)
    public = PublicKeys.load(desk.places.public)
    export = tmp_path / "export.jsonl"
    lines = []
    async for chunk in desk.trail.export():
        lines += [write_line(str(chunk.trail or "seals"), entry) for entry in chunk.entries]
    export.write_bytes(b"".join(lines))
    assert verify_file(export, public).intact
    export.write_bytes(b"".join(change(lines)))
    assert not verify_file(export, public).intact


async def test_an_export_of_what_is_left_of_an_archived_trail_is_intact(desk, tmp_path):
    await archived(desk)
    export = tmp_path / "export.jsonl"
    lines = []
    async for chunk in desk.trail.export():
        lines += [write_line(str(chunk.trail or "seals"), entry) for entry in chunk.entries]
    export.write_bytes(b"".join(lines))
    report = verify_file(export, PublicKeys.load(desk.places.public))
    assert (report.flaws, report.first_seal > 1) == ([], True)


async def test_an_export_from_which_an_archive_takes_something_meanwhile_is_none(desk):
    await desk.write(1500)
    await desk.seal_all(seal_batch=50)
    chunks = desk.trail.export()
    await anext(chunks)
    await archived(desk, 10)
    with pytest.raises(MasError, match="export again"):
        async for _ in chunks:
            pass


async def test_a_record_whose_seal_was_deleted_is_archived_all_the_same_before_it_is_trimmed(desk):
    """The chain goes on from the sink's last seal: a later trim takes away what the lost seals covered."""
    await desk.write(400)
    await desk.seal_all(seal_batch=50)
    written = {entry[0] for entry in await desk.raw(KEYS.audit_messages)}
    for entry_id, _ in (await desk.raw(KEYS.audit_seals))[4:]:
        await desk.redis.call("XDEL", KEYS.audit_seals, entry_id)
    await archived(desk, 1200)
    assert any(isinstance(link.seal, RestartSeal) for link in links_in(desk.places.archive))
    kept = {entry[0] for entry in await desk.raw(KEYS.audit_messages)}
    for path in archives_in(desk.places.archive):
        for chunk in read_file(path):
            kept |= {entry[0] for entry in chunk.entries if chunk.trail == Trail.MESSAGES}
    assert written <= kept


def links_in(directory):
    for path in archives_in(directory):
        for chunk in read_file(path):
            if chunk.trail is None:
                yield from filter(None, map(sealed_of, chunk.entries))


def later_than(seconds):
    class Later(SystemClock):
        def wall(self):
            return seconds

    return Later()


async def test_however_much_there_is_to_archive_what_is_new_is_sealed_meanwhile(desk, monkeypatch):
    monkeypatch.setattr(archive, "AT_ONCE", 3)
    await desk.write(300)
    await desk.seal_all(seal_batch=5)
    old = order((await desk.raw(KEYS.audit_messages))[-1][0])[0] / 1000 + 100
    keep_one = archive.keep
    put = []

    async def keeping(content, path):
        # As many records as one seal covers come while each archive is written.
        await desk.write(10)
        put.append(path)
        return await keep_one(content, path)

    monkeypatch.setattr(archive, "keep", keeping)

    async def all_old_archived():
        return len(put) >= 15

    async with desk.sealing(clock=later_than(old), max_age=60.0, seal_batch=10, seal_interval=60):
        await desk.until(all_old_archived)
    longest = trims = 0
    for link in filter(None, map(sealed_of, await desk.raw(KEYS.audit_seals))):
        trims = trims + 1 if isinstance(link.seal, TrimSeal) else 0
        longest = max(longest, trims)
    assert longest < 10, "each trim was followed by the next, and nothing was sealed in between"


async def test_links_that_cover_no_record_do_not_keep_later_records_from_being_archived(desk, monkeypatch):
    monkeypatch.setattr(archive, "AT_ONCE", 5)
    await desk.write(10)
    await desk.seal_all()
    for _ in range(12):
        await desk.trail.rotate_key()
    await desk.write(1500)
    await desk.seal_all(seal_batch=300)
    async with desk.sealing(seal_batch=300, max_records=1000):

        async def trimmed():
            return await desk.redis.call("XLEN", KEYS.audit_messages) <= 1000

        await desk.until(trimmed)
    report = await desk.verify(archives=True)
    assert (report.flaws, report.first_seal) == ([], 1)


async def test_archives_that_two_processes_of_one_id_write_at_once_stay_whole(tmp_path, monkeypatch):
    """In two containers that share a directory, both may be number 7."""
    drafts = set()
    replace = type(tmp_path).replace

    def noting(path, target):
        drafts.add(path.name)
        return replace(path, target)

    monkeypatch.setattr("os.getpid", lambda: 7)
    monkeypatch.setattr(type(tmp_path), "replace", noting)
    for _ in range(2):
        await keep(b"content", tmp_path / "audit-0000000001-0000000002.jsonl.gz")
    assert len(drafts) == 2
    assert [each.path.read_bytes() for each in listed(tmp_path)] == [b"content"]


async def test_agents_that_keep_all_shared_threads_at_work_hold_up_no_seal_and_no_archive(desk):
    async with all_shared_threads_at_work():
        with anyio.fail_after(30):
            archives = await archived(desk)
    assert archives
    report = await desk.verify(archives=True)
    assert (report.flaws, report.exit_code) == ([], 0)
