"""Dead letters that are too many or too old move to a file, complete, and can be brought back from there."""

import gzip
import json
import os
import time
from functools import partial
from typing import Any

import anyio
import pytest

from mas import Agent, Decision, IntegrityError, MasError, MessageRefused
from mas.clock import ManualClock
from mas.letters import Archivist, archives_in, count_in, read_archives
from mas.letters.archive import Archived, write_archive
from mas.settings import LetterSettings
from tests.cli.process import mas, write
from tests.letters.test_letters import office
from tests.redis.waiting import until
from tests.world import KEYS, SECRET, asking, data_dir, deployment, entries, letters, running


class Quiet(Agent[dict[str, Any]]):
    async def on_message(self, message):
        pass


class Shelf:
    """An archivist over letters that a gateway wrote, its doings noted."""

    def __init__(self, at: Any, client: Any, clock: ManualClock) -> None:
        self.at, self.client, self.done, self.clock = at, client, list[tuple[str, str]](), clock
        self.bounds = LetterSettings()
        self.archivist = Archivist(
            at.redis,
            KEYS,
            lambda: self.bounds,
            at.archive,
            audit=self._audit,
            alarm=lambda *told: at.alarms.append(told),
            clock=clock,
        )

    async def _audit(self, subject: str, did: str) -> None:
        # First the trail: at this moment all is still there.
        self.done.append((subject, f"{did}, {self.client.xlen(KEYS.dead_letters)} in redis"))

    @property
    def kept(self) -> list[str]:
        return [entry.decode() for entry, _ in self.client.xrange(KEYS.dead_letters)]


@pytest.fixture
async def shelf(redis_url, anyio_backend):
    async with running(redis_url, permissions=[], a=Quiet, b=Quiet) as system:
        for number in range(20):
            with pytest.raises(MessageRefused):
                await system.agent("a").send("b", "x", {"n": number}, confirm=True)
    async with office(redis_url) as at:
        with asking(redis_url) as client:
            yield Shelf(at, client, ManualClock(wall=time.time()))


def numbers(archive) -> list[int]:
    return [json.loads(each.letter[65:])["envelope"]["data"]["n"] for each in read_archives(archive)]


async def test_within_its_bounds_nothing_moves(shelf):
    shelf.bounds = LetterSettings(max_letters=20)
    assert await shelf.archivist.retire() == 0
    assert archives_in(shelf.at.archive) == []


async def test_what_is_too_much_moves_to_a_file_with_a_tenth_more_and_the_trail_says_so_first(shelf):
    shelf.bounds = LetterSettings(max_letters=10)
    before = shelf.kept
    assert await shelf.archivist.retire() == 11
    assert shelf.kept == before[11:]
    assert [each.id for each in read_archives(shelf.at.archive)] == before[:11]
    assert numbers(shelf.at.archive) == list(range(11))
    (path,) = archives_in(shelf.at.archive)
    assert shelf.done == [(str(path), "archived 11 dead letters, 20 in redis")]
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert len(gzip.decompress(path.read_bytes()).splitlines()) == count_in(shelf.at.archive) == 11
    assert await shelf.archivist.retire() == 0


async def test_what_is_too_old_moves_whatever_their_number(shelf):
    shelf.bounds = LetterSettings(max_age=3600)
    assert await shelf.archivist.retire() == 0
    await shelf.clock.advance(3700)
    assert await shelf.archivist.retire() == 20
    assert shelf.kept == []
    assert numbers(shelf.at.archive) == list(range(20))


async def test_where_nothing_can_be_written_nothing_is_trimmed_and_an_alarm_raised(shelf):
    shelf.bounds = LetterSettings(max_letters=1)
    shelf.at.archive.parent.mkdir(exist_ok=True)
    shelf.at.archive.write_text("no directory")
    assert await shelf.archivist.retire() == 0
    assert len(shelf.kept) == 20
    assert "can be archived" in str(shelf.at.alarms)


async def test_a_crash_between_file_and_trim_loses_nothing_and_shows_each_letter_once(shelf):
    shelf.bounds = LetterSettings(max_letters=10)

    async def die(*_: str) -> None:
        raise OSError("gone")

    shelf.archivist._audit = die
    with pytest.raises(OSError, match="gone"):
        await shelf.archivist.retire()
    assert len(shelf.kept) == 20
    shelf.archivist._audit = shelf._audit
    shelf.bounds = LetterSettings(max_letters=5)
    assert await shelf.archivist.retire() == 15
    assert len(archives_in(shelf.at.archive)) == 2
    assert numbers(shelf.at.archive) == list(range(15))


async def test_an_archived_letter_is_shown_restored_and_redriven_and_never_an_edited_one(redis_url, shelf):
    shelf.bounds = LetterSettings(max_letters=1)
    while await shelf.archivist.retire():
        pass
    desk = shelf.at.desk
    (first, second, *_) = [each.id for each in read_archives(shelf.at.archive)]
    assert (await desk.show(first, archived=True)).letter.envelope
    with pytest.raises(MasError, match="there is no"):
        await desk.show(first)
    (path,) = archives_in(shelf.at.archive)
    edited = gzip.decompress(path.read_bytes()).replace(b'\\"n\\":1', b'\\"n\\":9')
    path.write_bytes(gzip.compress(edited))
    with pytest.raises(IntegrityError):
        await desk.restore(second)
    with pytest.raises(MasError, match="holds a dead letter"):
        await desk.restore("1-1")
    again = await desk.restore(first)
    assert again in shelf.kept
    async with running(redis_url, a=Quiet, b=Quiet):
        assert (await shelf.at.redrive(again)).decision is Decision.ALLOWED
    assert (first, "restore from the archive") in shelf.at.done
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(MasError, match="cannot be read"):
        list(read_archives(shelf.at.archive))


async def test_a_system_keeps_its_letters_within_bounds_also_new_ones_and_the_commands_tell(
    redis_url, tmp_path
):
    async with running(redis_url, permissions=[], a=Quiet, b=Quiet) as system:
        for number in range(5):
            with pytest.raises(MessageRefused):
                await system.agent("a").send("b", "x", {"n": number}, confirm=True)
        small = {"dead_letters": {"max_letters": 2}}
        listed = [{"agent_id": name, "class_path": "people:Echo"} for name in "ab"]
        config = {**deployment(redis_url, permissions=[], gateway=small), "agents": listed}
        write(tmp_path, agents=json.dumps(config))
        run = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)

        async def said(*arguments: str) -> Any:
            return await run(partial(mas, *arguments, cwd=tmp_path, MAS_SECRET=SECRET))

        assert "changed: dead_letters.max_letters" in (await said("policy", "reload")).stdout
        with asking(redis_url) as client:
            await until(lambda: client.xlen(KEYS.dead_letters) == 2, within=30)
            (event,) = [e for e in entries(client, KEYS.audit_security) if '"ARCHIVED"' in e["record"]]
            assert "archived 3 dead letters" in event["record"]
            (first, *_) = [each.id for each in read_archives(data_dir(redis_url) / "dead-letters")]
            listing = await said("dlq", "list", "--json")
            assert len(json.loads(listing.stdout)) == 2
            assert "3 more are archived on this machine" in listing.stderr
            archived = json.loads((await said("dlq", "list", "--archived", "--json")).stdout)
            assert archived[0]["id"] == first
            assert all(each["genuine"] for each in archived)
            assert '"n": 0' in (await said("dlq", "show", first)).stdout
            assert f"{first}: restored as" in (await said("dlq", "restore", first)).stdout
            assert sorted(each["envelope"]["data"]["n"] for each in letters(client)) == [0, 3, 4]
            assert (await said("dlq", "restore", "1-1")).returncode == 1


@pytest.mark.parametrize(
    "harm",
    [
        lambda packed: packed[:-20],
        lambda packed: packed[: len(packed) // 2] + b"\xff" * 20 + packed[len(packed) // 2 + 20 :],
        lambda packed: b"no archive",
        lambda packed: gzip.compress(b"no letter\n"),
    ],
    ids=["cut", "altered", "not packed", "no letters"],
)
def test_a_damaged_archive_is_named(tmp_path, harm):
    letter = Archived("1-1", " ".join(str(n * 7919 % 65537) for n in range(500)))
    path = write_archive(tmp_path, [letter])
    assert list(read_archives(tmp_path)) == [letter]
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(MasError, match=f"the archive {path} cannot be read"):
        list(read_archives(tmp_path))


async def test_archives_are_deleted_by_their_bounds_and_the_trail_says_so_first(shelf):
    shelf.bounds = LetterSettings(max_letters=10)
    await shelf.archivist.retire()
    shelf.bounds = LetterSettings(max_letters=5)
    await shelf.archivist.retire()
    first, second = archives_in(shelf.at.archive)
    assert await shelf.archivist.delete() == 0, "without a bound none goes"
    shelf.bounds = LetterSettings(archive_max_age=3600)
    assert await shelf.archivist.delete() == 0
    old = time.time() - 4000
    os.utime(first, (old, old))
    shelf.done.clear()
    assert await shelf.archivist.delete() == 1
    assert archives_in(shelf.at.archive) == [second]
    assert [told[0] for told in shelf.done] == [str(first)]
    assert shelf.done[0][1].startswith("deleted the archive")
    shelf.bounds = LetterSettings(archive_max_bytes=1)
    assert await shelf.archivist.delete() == 0, "the newest stays"


async def test_a_system_deletes_archives_of_dead_letters_by_itself(redis_url):
    directory = data_dir(redis_url) / "dead-letters"
    for number, old in enumerate((True, False)):
        path = write_archive(directory, [Archived(f"{number + 1}-0", "x" * 70)])
        if old:
            os.utime(path, (0, 0))
    bounds = {"dead_letters": {"archive_max_age": 3600}}
    async with running(redis_url, gateway=bounds, a=Quiet):
        await until(lambda: len(archives_in(directory)) == 1)
