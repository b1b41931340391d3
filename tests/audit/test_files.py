"""Files that `mas audit` reads and writes: whose they are, what may be overwritten, what damage does."""

import gzip
import json
import time

import pytest

from mas.audit import AuditRecord, Counter, Trail
from mas.audit.payload import encrypt
from mas.decision import Decision
from tests.audit.conftest import KEYS
from tests.audit.trail import KEYRING, MACS
from tests.audit.typed import SINK, refused, typed


def test_an_export_verifies_where_nothing_runs_with_the_keys_that_are_there(project):
    export = project / "export.jsonl"
    typed(project, "export", "-o", str(export))
    (project / "agents.yaml").write_text(f"data_dir: {project}\n")
    assert "agree" in typed(project, "verify", "--export", str(export), "--seals", str(project / SINK))


@pytest.mark.parametrize("form", ["jsonl", "csv", "summary"])
def test_an_export_is_for_its_owner_alone_and_replaces_nothing_unasked(project, form):
    export = project / "export"
    words = ("export", "--format", form, "-o", str(export))
    typed(project, *words)
    assert export.stat().st_mode & 0o777 == 0o600
    export.write_text("precious")
    export.chmod(0o644)
    assert "is there already; --force replaces it" in refused(project, *words, code=2)
    assert export.read_text() == "precious"
    typed(project, *words, "--force")
    assert export.read_bytes() != b"precious"
    assert export.stat().st_mode & 0o777 == 0o600


def test_an_export_that_fails_leaves_no_half_file_and_what_was_there_before(project, mas_redis_server):
    (project / "kept").write_text("precious")
    with mas_redis_server.client() as client:
        client.delete(KEYS.audit_messages)
        client.set(KEYS.audit_messages, "no stream")
    refused(project, "export", "-o", str(project / "new"), code=77)
    refused(project, "export", "-o", str(project / "kept"), "--force", code=77)
    assert (project / "kept").read_text() == "precious"
    assert not [path for path in project.iterdir() if path.name.startswith(("new", "kept."))]


def test_an_export_may_go_into_a_pipe_or_a_device(project):
    assert typed(project, "export", "-o", "/dev/null") == ""
    assert len(typed(project, "export", "-o", "-").splitlines()) > 320


DAMAGE = {
    "cut last line": (lambda data: data[:-30], "", "was it cut off, or edited?"),
    "no JSON": (lambda data: b"nonsense\n" + data, ":1", "was it cut off, or edited?"),
    "another trail": (
        lambda data: data.replace(b'"messages"', b'"massages"', 1),
        ":1",
        "no entry of a trail",
    ),
    "packed and cut": (lambda data: gzip.compress(data)[:-200], "", "the file is damaged from here on"),
    "packed and altered": (lambda data: altered(gzip.compress(data)), "", ""),
    "not packed": (lambda data: data, ":1", "the file is damaged from here on"),
}


def altered(packed):
    middle = len(packed) // 2
    return (
        packed[:middle] + bytes(byte ^ 0xFF for byte in packed[middle : middle + 20]) + packed[middle + 20 :]
    )


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_a_broken_trail_and_its_place_is_named(project, damage):
    harm, place, problem = DAMAGE[damage]
    file = project / ("x.jsonl.gz" if "packed" in damage else "x.jsonl")
    typed(project, "export", "-o", str(project / "whole.jsonl"))
    file.write_bytes(harm((project / "whole.jsonl").read_bytes()))
    told = typed(project, "verify", "--export", str(file), code=1)
    first = next(line for line in told.splitlines() if line.startswith("BROKEN"))
    assert first.startswith(f"BROKEN {file}{place}")
    assert problem in told
    assert json.loads(typed(project, "verify", "--export", str(file), "--json", code=1))["exit_code"] == 1
    complaint = refused(project, "query", "--archive", str(file), "--decision", "AUTHZ_DENIED", code=1)
    assert f"error: {file}" in complaint


def test_an_empty_file_is_no_broken_trail_and_no_proof(project):
    (project / "empty.jsonl").touch()
    told = typed(project, "verify", "--export", str(project / "empty.jsonl"), code=3)
    assert told.startswith("0 records under 0 seals, 0 not sealed yet\n")
    seals = ("--seals", str(project / SINK))
    assert "cut off" in typed(project, "verify", "--export", str(project / "empty.jsonl"), *seals, code=1)


def test_a_file_of_the_own_archive_is_searched_on_record_and_a_copy_elsewhere_offline(project):
    typed(project, "export", "-o", str(project / "copy.jsonl"))
    (project / "audit-archive").mkdir()
    own = project / "audit-archive" / "audit-0000000001-0000000002.jsonl"
    own.write_bytes((project / "copy.jsonl").read_bytes())
    denied = ("--decision", "AUTHZ_DENIED")
    elsewhere = typed(project, "query", "--archive", str(project / "copy.jsonl"), *denied)
    reads = typed(project, "query", "--decision", "AUDIT_READ")
    assert own.name not in reads
    assert "copy.jsonl" not in reads
    assert typed(project, "query", "--archive", str(own), *denied) == elsewhere != ""
    assert f"{own.name} decision=AUTHZ_DENIED" in typed(project, "query", "--decision", "AUDIT_READ")
    linked = project / "linked.jsonl"
    linked.symlink_to(own)
    (project / "agents.yaml").write_text(f"data_dir: {project}\n")
    for path in (own, linked):
        assert "nothing runs here" in refused(project, "query", "--archive", str(path), code=69)
    (project / "agents.yaml").write_text("no: such key\n")
    refused(project, "query", "--archive", str(own), code=78)


def test_the_archives_are_listed_for_people_and_as_json(project):
    (project / "audit-archive").mkdir()
    path = project / "audit-archive" / "audit-0000000001-0000000007.jsonl.gz"
    path.write_bytes(b"12345")
    assert typed(project, "archive") == f"{path}\n"
    told = {"path": str(path), "first": 1, "last": 7, "size": 5}
    assert json.loads(typed(project, "archive", "--json")) == [told]
    assert "archives: 1 kept here, 5 bytes" in typed(project, "stats")


def test_a_file_that_is_not_there_is_told_in_one_line(project):
    gone = project / "gone"
    for words in (
        ["verify", "--export"],
        ["verify", "--seals"],
        ["verify", "--public-key"],
        ["query", "--archive"],
    ):
        told = refused(project, *words, str(gone), code=78)
        assert told == f"error: {gone}: cannot be read: No such file or directory\n"


def test_a_kept_payload_is_shown_to_who_is_on_record_for_it_and_in_no_export(project, mas_redis_server):
    counter = Counter("host-2", MACS[Trail.MESSAGES])
    counter.begin_commit(time.time())
    sealed = encrypt(KEYRING.payload, f"{counter.run} 1", b'{"canary":1}')
    kept = AuditRecord(
        "host-2",
        counter.run,
        1,
        counter.take(),
        Decision.ALLOWED,
        "ann",
        "i",
        "1-0",
        message_id="m1",
        payload=sealed,
    )
    fields = counter.fields(kept)
    with mas_redis_server.client() as client:
        client.xadd(KEYS.audit_messages, dict(zip(fields[::2], fields[1::2], strict=True)))
    assert typed(project, "payload", "m1") == '{"canary":1}\n'
    assert "payload by" in typed(project, "query", "--decision", "AUDIT_READ")
    assert "keeps no payload" in refused(project, "payload", "m2", code=1)
    table, lines = typed(project, "export", "--format", "csv"), typed(project, "export")
    assert "canary" not in table + lines
    assert sealed not in table
    assert sealed in lines
    with mas_redis_server.client() as client:
        other = {
            "record": fields[1].replace("host-2", "host-3").replace('"count":1', '"count":2'),
            "mac": "00",
        }
        client.delete(KEYS.audit_messages)
        client.xadd(KEYS.audit_messages, other)
    assert "payload of message m1: it does not decrypt" in refused(project, "payload", "m1", code=1)
