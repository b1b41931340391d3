"""Whatever somebody puts where seals and records stand: it is named, and nobody stumbles over it."""

import base64

import msgspec
import pytest

from mas.audit import Filter, PublicKeys, Trail, verify_file
from mas.audit.entry import open_entries
from mas.audit.export import as_lines
from mas.audit.lines import read_line, write_line
from mas.audit.seal import sealed_of
from mas.errors import IntegrityError
from tests.audit.conftest import KEYS

DEEP = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
LINK = {"sequence": 1, "at": 0.0, "previous": "", "key": "0" * 16, "state": {}}
RANGE = {
    **LINK,
    "kind": "range",
    "trail": "messages",
    "after": "0-0",
    "first": "1-0",
    "last": "9-0",
    "count": 1,
    "hash": "",
    "marks": "",
}
TRIM = {
    **LINK,
    "kind": "trim",
    "upto": 1,
    "digest": "",
    "ends": {"messages": "1-0"},
    "archive": "",
    "archive_hash": "",
}
FORGED = {
    "no seal": b"no seal",
    "deep": DEEP,
    "key that does not decode": {**LINK, "kind": "key", "new_key": "a"},
    "key too short": {**LINK, "kind": "key", "new_key": base64.b64encode(b"short").decode()},
    "marks that do not decode": {**RANGE, "marks": "?"},
    "no id": {**RANGE, "last": "yesterday"},
    "id beyond all": {**RANGE, "after": f"{1 << 64}-0"},
    "end that is no id": {**RANGE, "state": {"ends": {"messages": "+"}}},
    "trim to no id": {**TRIM, "ends": {"messages": "-"}},
    "count below none": {**RANGE, "count": -500},
    "count beyond all": {**RANGE, "count": 1 << 62},
    "unsigned": RANGE,
}


def written(forged):
    return forged if isinstance(forged, bytes) else msgspec.json.encode(forged)


async def put_seal(desk, forged):
    proof = base64.b64encode(bytes(64))
    await desk.redis.call("XADD", KEYS.audit_seals, "*", "seal", written(forged), "signature", proof)


@pytest.mark.parametrize("what", FORGED)
async def test_whatever_stands_where_a_seal_should_is_named_and_the_rest_still_read(desk, what, tmp_path):
    await desk.write(20)
    await desk.seal_all()
    await put_seal(desk, FORGED[what])
    report = await desk.verify(archives=True)
    assert report.exit_code == 1
    assert any("seal" in flaw.where for flaw in report.flaws), report.flaws
    found = [each async for each in desk.trail.query(Filter(trail=Trail.MESSAGES))]
    assert len(found) == 20
    await desk.trail.stats()
    export = tmp_path / "export.jsonl"
    export.write_bytes(b"".join([line async for chunk in desk.trail.export() for line in as_lines(chunk)]))
    assert verify_file(export, PublicKeys.load(desk.places.public)).exit_code == 1


@pytest.mark.parametrize("what", FORGED)
async def test_a_sealer_goes_on_past_whatever_stands_last_in_the_chain(desk, what):
    await desk.write(20)
    await desk.seal_all()
    await put_seal(desk, FORGED[what])
    await desk.write(10)
    await desk.seal_all()
    links = [link.seal for entry in await desk.raw(KEYS.audit_seals) if (link := sealed_of(entry))]
    assert links[-1].state.ends[Trail.MESSAGES] == (await desk.raw(KEYS.audit_messages))[-1][0].decode()
    assert (await desk.verify()).exit_code == 1


async def test_a_record_nested_without_end_is_sealed_archived_exported_and_named(desk, tmp_path):
    await desk.write(10)
    forged = await desk.redis.call("XADD", KEYS.audit_messages, "*", "record", DEEP, "mac", "0" * 64)
    await desk.write(1200)
    await desk.seal_all(seal_batch=100)
    async with desk.sealing(seal_batch=100, max_records=1000):

        async def trimmed():
            return await desk.redis.call("XLEN", KEYS.audit_messages) <= 1000

        await desk.until(trimmed)
    report = await desk.verify(archives=True)
    assert {flaw.where for flaw in report.flaws} == {forged.decode()}
    assert open_entries([[forged, [b"record", DEEP, b"mac", b""]]], None) == ["its record does not decode"]
    entry = [b"1-0", [b"record", DEEP, b"mac", b"00"]]
    assert read_line(write_line("messages", entry)) == ("messages", entry)
    with pytest.raises(ValueError, match="nested"):
        read_line(b'{"trail":"messages","id":"1-0","record":' + DEEP + b',"mac":"0"}')


async def test_a_payload_in_a_record_that_no_gateway_wrote_is_no_payload(desk):
    await desk.redis.call(
        "XADD", KEYS.audit_messages, "*", "record", '{"payload":"x","message_id":"m"}', "mac", "0"
    )
    (found,) = [each async for each in desk.trail.query(Filter(trail=Trail.MESSAGES))]
    with pytest.raises(IntegrityError, match="no gateway wrote"):
        await desk.trail.payload(found)
