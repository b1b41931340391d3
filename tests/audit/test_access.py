"""Reading the trail: queries, tails, exports; and that each look is recorded."""

import csv
import io
from fnmatch import fnmatchcase

import pytest

from mas.audit import EventKind, Filter, PublicKeys, Trail, verify_file
from mas.audit.export import COLUMNS, Summary, as_lines, cell, table_head, table_row
from mas.audit.lines import read_line, write_line
from mas.audit.payload import decrypt, encrypt
from mas.audit.query import Found
from mas.audit.record import AuditRecord
from mas.audit.source import read_live
from mas.decision import Decision
from mas.errors import IntegrityError
from mas.trust import Keyring
from tests.audit.conftest import KEYS
from tests.audit.trail import KEYRING


async def everything(desk, **wanted):
    return [found async for found in desk.trail.query(Filter(**wanted))]


async def test_a_query_finds_sealed_and_unsealed_alike_and_nothing_else(desk):
    await desk.write(300)
    await desk.seal_all(seal_batch=50)
    await desk.write(50)
    all_of_them = await everything(desk, trail=Trail.MESSAGES)
    assert len(all_of_them) == 350
    for name, field in (("sender", "sender"), ("target", "target"), ("decision", "decision")):
        for value in {found.record[field] for found in all_of_them}:
            found = await everything(desk, trail=Trail.MESSAGES, **{name: value})
            assert [f.id for f in found] == [f.id for f in all_of_them if f.record[field] == value]
    found_mail = [f.id for f in all_of_them if "violations" in f.record]
    assert [f.id for f in await everything(desk, violation="email")] == found_mail
    one = all_of_them[123]
    assert await everything(desk, correlation=one.record["message_id"]) == [one]
    middle = all_of_them[100].seconds
    early, late = await everything(desk, until=middle), await everything(desk, since=middle)
    assert [f.id for f in early + late if f.trail == Trail.MESSAGES] == [f.id for f in all_of_them]


async def test_a_query_finds_messages_by_a_pattern_of_their_type_and_those_that_were_refused(desk):
    await desk.write(100)
    found = await everything(desk, trail=Trail.MESSAGES)
    types = {each.record["type"] for each in found}
    for pattern in (*types, *(f"{name[:2]}*" for name in types), "*"):
        matching = [each for each in found if fnmatchcase(each.record["type"], pattern)]
        assert matching
        assert await everything(desk, type=pattern) == matching
    refused = [each for each in found if not Decision(each.record["decision"]).delivers]
    assert 0 < len(refused) < len(found)
    assert await everything(desk, refused=True) == refused


async def test_a_query_does_not_read_ranges_that_cannot_match(desk):
    await desk.write(100)
    await desk.seal_all(seal_batch=10)
    asked = Filter(trail=Trail.MESSAGES, sender="nobody")
    read = [chunk async for chunk in read_live(desk.redis, KEYS, wanted=asked.wants) if chunk.trail]
    assert [chunk for chunk in read if chunk.trail == Trail.MESSAGES] == []


async def test_an_export_verifies_offline_and_names_what_was_changed_in_it(desk, tmp_path):
    await desk.write(200)
    await desk.seal_all(seal_batch=50)
    await desk.write(20)
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"".join([line async for chunk in desk.trail.export() for line in as_lines(chunk)]))
    public = PublicKeys.load(desk.places.public)
    report = verify_file(path, public)
    assert report.flaws == []
    assert (report.exit_code, report.macs_checked) == (3, False)
    lines = path.read_bytes().splitlines(keepends=True)
    trail, entry = read_line(lines[10])
    entry[1][1] = entry[1][1].replace(b"host-1", b"host-2")
    lines[10] = write_line(trail, entry)
    path.write_bytes(b"".join(lines))
    (flaw,) = verify_file(path, public).flaws
    assert (flaw.where, "altered" in flaw.problem) == (entry[0].decode(), True)


@pytest.mark.parametrize(
    "fields",
    [
        [b"record", b'{"a":1}', b"mac", b"00"],
        [b"record", b'{"a": 1}', b"mac", b"00"],
        [b"record", b' {"a":1}', b"mac", b"00"],
        [b"record", b'{"a":1}\n', b"mac", b"00"],
        [b"record", b"no json", b"mac", b"00"],
        [b"record", b'{"a":"\xff"}', b"mac", b"00"],
        [b"record", b'{"a":1}', b"mac", b"\xff"],
        [b"record", b'{"a":1}', b"mac", b""],
        [b"other", b"x"],
        [],
    ],
)
def test_a_line_keeps_every_byte_of_an_entry(fields):
    entry = [b"1-0", fields]
    line = write_line("messages", entry)
    assert read_line(line) == ("messages", entry)
    assert line.count(b"\n") == 1


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "  =1", "\n=1", "\xa0=1", "\uff1d1", "\t1"]
)
def test_no_cell_is_a_formula(text):
    assert cell(text).startswith("'")


@pytest.mark.parametrize("text", ["a;=1+1", "a; @x", "a;b;-1", "a;\uff0b1"])
def test_no_cell_becomes_a_formula_where_a_semicolon_parts_cells(text):
    assert not [part for part in cell(text).split(";") if part.lstrip().startswith(tuple("=+-@\uff0b"))]
    assert cell("a; b = c").count("'") == 0


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[31mb", "a\rb", "a\x00b"])
def test_no_cell_breaks_its_line_or_moves_a_cursor(text):
    assert cell(text).isprintable()


def test_a_table_is_read_back_as_it_was_written():
    found = Found(
        Trail.MESSAGES, "1700000000123-0", {"sender": 'a,"b', "reason": "=cmd()", "violations": {"email": 2}}
    )
    head, row = csv.reader(io.StringIO(table_head() + table_row(found)))
    told = dict(zip(head, row, strict=True))
    assert tuple(head) == COLUMNS
    assert told["latency"] == ""
    assert told["time"] == "2023-11-14T22:13:20.123+00:00"
    assert (told["sender"], told["reason"], told["violations"]) == ('a,"b', "'=cmd()", '{"email":2}')


@pytest.mark.parametrize(
    ("ingress", "latency", "told"),
    [("1700000000100-3", 0.023, "0.023"), ("", None, ""), ("x", None, ""), ("1-", None, "")],
)
def test_a_record_says_how_long_its_message_waited_for_the_gateway_and_in_it(ingress, latency, told):
    found = Found(Trail.MESSAGES, "1700000000123-0", {"sender": "a", "ingress": ingress})
    assert found.latency == latency
    head, row = csv.reader(io.StringIO(table_head() + table_row(found)))
    assert dict(zip(head, row, strict=True))["latency"] == told


async def test_a_summary_counts_what_happened(desk):
    await desk.write(200)
    await desk.events.write(EventKind.ALARM, "mas.policy", detail="it was gone")
    summary = Summary()
    found = await everything(desk)
    for each in found:
        summary.add(each)
    told = summary.told(await desk.verify(outside=[]) if desk.places.public.exists() else None)
    assert told["records"] == len(found)
    assert "claims conformity with no law" in told["about"]
    assert sum(told["decisions"].values()) == 200
    assert told["events"]["ALARM"] == 1
    assert "it was gone" in told["alarms"][0]


def test_a_payload_opens_only_in_its_own_record_and_with_the_secret():
    def kept(count):
        sealed = encrypt(KEYRING.payload, "run 1", b'{"x":1}')
        return AuditRecord("g", "run", 1, count, Decision.ALLOWED, "a", "i", "1-0", payload=sealed)

    assert decrypt(KEYRING, kept(1)) == b'{"x":1}'
    for keyring, record in ((KEYRING, kept(2)), (Keyring(b"another secret than that one"), kept(1))):
        with pytest.raises(IntegrityError, match="does not decrypt"):
            decrypt(keyring, record)
    assert decrypt(KEYRING, AuditRecord("g", "run", 1, 1, Decision.ALLOWED, "a", "i", "1-0")) == b""
