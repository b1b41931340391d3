"""Each seal gets to the sink, in order, whoever dies; and a sink that hangs holds up nothing but itself."""

import sys

import pytest

from mas.audit import PublicKeys, Trail
from mas.audit.access import outside_seals
from mas.audit.lines import SEALS, write_line
from mas.audit.seal import sealed_of
from mas.audit.sink import FileSink
from tests.audit.conftest import KEYS


def command(script):
    return {"sink": "command", "sink_command": (sys.executable, "-c", script)}


def handed(path):
    return [link.seal.sequence for entry in outside_seals(path) if (link := sealed_of(entry))]


async def test_a_sink_that_hangs_holds_up_no_seal(desk, tmp_path):
    hangs = tmp_path / "hangs"
    script = f"import time; open({str(hangs)!r}, 'w').close(); time.sleep(600)"
    async with desk.sealing(seal_batch=10, **command(script)):
        await desk.write(10)

        async def begun():
            return hangs.exists()

        await desk.until(begun)
        for _ in range(20):
            await desk.write(30)
            await desk.until_sealed()
    report = await desk.verify()
    assert report.flaws == []
    assert report.sealed >= 610


async def test_a_sealer_hands_a_command_all_that_the_one_before_it_could_not(desk, tmp_path):
    out = tmp_path / "out.jsonl"
    fails = command("import sys; sys.stdin.read(); sys.exit('not now')")
    works = command(f"import sys; open({str(out)!r}, 'a').write(sys.stdin.read())")

    async def everything_sealed(settings):
        async with desk.sealing(seal_batch=10, **settings):
            await desk.write(50)
            await desk.until_sealed()

    await everything_sealed(works)
    before = handed(out)
    await everything_sealed(fails)
    await everything_sealed(works)
    numbers = handed(out)
    assert numbers[: len(before)] == before
    assert sorted(set(numbers)) == list(range(1, await desk.redis.call("XLEN", KEYS.audit_seals) + 1))


@pytest.mark.parametrize("forged", [b"99999999999999-0", b"nonsense", b"1-0"])
async def test_whoever_changes_how_far_a_command_has_got_takes_no_later_seal_from_it(desk, tmp_path, forged):
    out = tmp_path / "out.jsonl"
    works = command(f"import sys; open({str(out)!r}, 'a').write(sys.stdin.read())")
    await desk.write(10)
    await desk.seal_all(**works)
    await desk.redis.call("HSET", KEYS.audit_sealed, "handed", forged)
    await desk.write(10)
    await desk.seal_all(**works)
    assert set(handed(out)) == set(range(1, await desk.redis.call("XLEN", KEYS.audit_seals) + 1))


async def test_a_line_cut_short_that_stands_last_hides_no_seal_before_it(desk):
    await desk.write(10)
    await desk.seal_all()
    sink = FileSink(desk.places.seals, size=10**6, files=2)
    last = sink.last()
    assert last is not None
    with desk.places.seals.open("ab") as file:
        # A crash, and another one once the line before was closed.
        file.write(b'{"trail":"seals","id":"1-\n')
    assert sink.last() == last


async def test_seals_that_contradict_each_other_outside_show_that_the_chain_was_rolled_back(desk):
    """The command could not say what it had: the next sealer gave the lost numbers away again."""
    await desk.write(20)
    await desk.seal_all(sink="none", seal_batch=10)
    seals = await desk.raw(KEYS.audit_seals)
    await desk.redis.call("XDEL", KEYS.audit_seals, seals[-1][0])
    await desk.write(20)
    await desk.seal_all(sink="none", seal_batch=10)
    outside = [*seals, *await desk.raw(KEYS.audit_seals)]
    for copies in (outside, outside[::-1]):
        report = await desk.trail.verify(outside=copies)
        assert report.exit_code == 1
        assert any("two of this number" in flaw.problem for flaw in report.flaws)


@pytest.mark.parametrize("known", ["all of them", "only those after it"])
async def test_seals_from_outside_count_although_a_later_key_signed_them(desk, known):
    async with desk.sealing():
        await desk.write(20)
        await desk.until_sealed()
        first = desk.places.public.read_bytes()
        await desk.trail.rotate_key()
        handed_over = await desk.redis.call("XLEN", KEYS.audit_seals)
        await desk.write(20)
        await desk.until_sealed()
    seals = await desk.raw(KEYS.audit_seals)
    outside = seals if known == "all of them" else seals[handed_over:]
    key = desk.directory / "first.pem"
    key.write_bytes(first)
    report = await desk.trail.verify(public=PublicKeys.load(key), outside=outside)
    assert (report.flaws, report.outside) == ([], len(outside))
    # Cut off behind the link that names the new key, or that one along with the rest.
    for cut in (1, len(seals) - handed_over + 1):
        for entry_id, _ in seals[-cut:]:
            await desk.redis.call("XDEL", KEYS.audit_seals, entry_id)
        report = await desk.trail.verify(public=PublicKeys.load(key), outside=outside)
        if known == "all of them" or cut == 1:
            assert any("cut off or rolled back" in flaw.problem for flaw in report.flaws)


async def test_a_seal_goes_to_the_file_of_the_sink_as_it_stands_in_the_chain(desk):
    await desk.write(10)
    await desk.seal_all()
    lines = [write_line(SEALS, entry) for entry in await desk.raw(KEYS.audit_seals)]
    assert desk.places.seals.read_bytes() == b"".join(lines)
    assert (await desk.trail.stats())[Trail.MESSAGES]["unsealed"] == 0
