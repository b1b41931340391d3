"""`mas audit`, typed."""

import json
import os
import signal
import subprocess
import sys

from click.testing import CliRunner

from mas.audit.signing import SealKey, public_pem
from mas.cli.app import app
from tests.audit.conftest import KEYS
from tests.audit.typed import SINK, refused, typed


def test_verify_says_whether_it_is_intact_and_ends_with_the_code_for_it(project):
    assert "300 records" in typed(project, "verify")
    report = json.loads(typed(project, "verify", "--json"))
    assert (report["intact"], report["exit_code"], report["outside"] >= 6) == (True, 0, True)
    (project / "audit-seals.jsonl").rename(project / "elsewhere")
    assert "without a seal from outside" in typed(project, "verify", code=3)
    assert "agree with their copies" in typed(project, "verify", "--seals", str(project / "elsewhere"))


def test_verify_takes_the_archives_in_where_they_are_asked_for(project):
    assert "agree with their copies" in typed(project, "verify", "--archives")
    both = ("verify", "--archives", "--export", str(project / SINK))
    assert "--export is one file" in refused(project, *both, code=2)


def test_verify_names_the_first_bad_record(project, mas_redis_server):
    with mas_redis_server.client() as client:
        gone = client.xrange(KEYS.audit_messages)[100][0]
        client.xdel(KEYS.audit_messages, gone)
        after = client.xrange(KEYS.audit_messages)[100][0].decode()
    told = typed(project, "verify", code=1)
    assert f"BROKEN messages {after}: before it, a record was removed" in told


def test_an_export_verifies_with_the_public_key_alone(project, tmp_path_factory):
    export, key = project / "export.jsonl", project / "public.pem"
    typed(project, "export", "--output", str(export))
    key.write_text(typed(project, "key"))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    words = ("verify", "--export", str(export), "--public-key", str(key))
    assert "compared by number only" in typed(elsewhere, *words, code=3)
    assert "agree" in typed(elsewhere, *words, "--seals", str(project / "audit-seals.jsonl"))
    export.write_bytes(b"".join(export.read_bytes().splitlines(keepends=True)[:150]))
    assert "cut off" in typed(elsewhere, *words, "--seals", str(project / "audit-seals.jsonl"), code=1)


def test_tail_and_query_show_records_as_lines_and_as_json(project):
    assert len(typed(project, "tail", "-n", "3", "--trail", "messages").splitlines()) == 3
    denied = typed(project, "query", "--decision", "AUTHZ_DENIED", "--json").splitlines()
    assert denied
    assert {json.loads(line)["record"]["decision"] for line in denied} == {"AUTHZ_DENIED"}
    assert typed(project, "query", "--sender", "nobody") == ""
    assert typed(project, "query", "--trail", "messages", "--since", "2100-01-01") == ""


def test_exports_for_people_take_the_filter_and_the_one_that_verifies_does_not(project):
    head, *rows = typed(project, "export", "--format", "csv", "--decision", "AUTHZ_DENIED").splitlines()
    assert head.startswith("time,trail,id")
    assert all("AUTHZ_DENIED" in row for row in rows)
    summary = json.loads(typed(project, "export", "--format", "summary"))
    assert sum(summary["decisions"].values()) == 320
    assert summary["asked"] == "everything"
    assert summary["verification"]["intact"]
    typed(project, "export", "--sender", "ann", code=2)
    period = ("--since", "2020-01-31", "--until", "2020-02-28")
    summary = json.loads(typed(project, "export", "--format", "summary", *period))
    assert summary["records"] == 0
    assert summary["asked"] == "since=2020-01-31T00:00:00.000+00:00 until=2020-02-28T00:00:00.000+00:00"


def test_stats_archive_and_rotate(project):
    figures = json.loads(typed(project, "stats", "--json"))
    assert (figures["messages"]["records"], figures["messages"]["unsealed"]) == (320, 20)
    assert "messages: 320 records, 20 not sealed yet, from 20" in typed(project, "stats")
    assert typed(project, "archive") == ""
    assert "there are none in" in CliRunner().invoke(app, ["audit", "archive", "-c", str(project)]).stderr
    assert "seals are signed by key" in typed(project, "rotate")
    assert typed(project, "key").count("BEGIN PUBLIC KEY") == 2
    assert "agree with their copies" in typed(project, "verify")


def test_a_key_file_that_holds_none_is_a_configuration_error(project):
    (project / "no.pem").write_text("nothing")
    typed(project, "verify", "--public-key", str(project / "no.pem"), code=78)


def test_where_nothing_runs_each_command_says_so_at_once_and_makes_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv("MAS_SECRET", raising=False)
    (tmp_path / "agents.yaml").write_text("agents: []\n")
    for words in (["tail"], ["query"], ["verify"], ["stats"], ["archive"], ["export"], ["payload", "m"]):
        done = CliRunner().invoke(app, ["audit", *words, "--config", str(tmp_path)])
        assert (done.exit_code, done.stdout) == (69, ""), words
        told, *more = done.stderr.splitlines()
        assert told.startswith("error: nothing runs here: no server listens at "), words
        assert more == ["  hint: start the system with mas run"]
    done = CliRunner().invoke(app, ["audit", "key", "--config", str(tmp_path)])
    assert done.exit_code == 78
    assert "there is no key for seals yet" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["agents.yaml"]


def test_a_wrong_key_is_told_in_a_screenful(project):
    other = project / "other.pem"
    other.write_bytes(public_pem(SealKey.new().public))
    told = typed(project, "verify", "--public-key", str(other), code=1)
    assert told.count("BROKEN") <= 20
    assert "which is not believed" in told


def test_where_there_is_no_configuration_an_export_is_searched_all_the_same(
    project, tmp_path_factory, monkeypatch
):
    typed(project, "export", "-o", str(project / "copy.jsonl"))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    done = CliRunner().invoke(app, ["audit", "query", "--archive", str(project / "copy.jsonl")])
    assert (done.exit_code, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) >= 320


def test_times_are_taken_as_they_are_shown(project):
    shown = typed(project, "tail", "-n", "320", "--trail", "messages").splitlines()
    since = shown[300].split()[0]
    found = typed(project, "query", "--trail", "messages", "--since", since).splitlines()
    assert found == [line for line in shown if line.split()[0] >= since]
    assert typed(project, "query", "--until", since, "--since", "2020-01-31").splitlines()
    assert "is no time such as" in refused(project, "query", "--since", "yesterday", code=2)
    assert "nothing can match" in refused(project, "query", "--since", since, "--until", since, code=2)


def test_a_decision_that_there_is_not_is_refused_and_the_nearest_named(project):
    assert typed(project, "query", "--decision", "authz_denied").splitlines()
    assert "did you mean AUTHZ_DENIED?" in refused(project, "query", "--decision", "AUTH_DENIED", code=2)
    assert "there are ALLOWED, " in refused(project, "tail", "--decision", "x", code=2)


def test_a_line_of_json_says_when_and_how_long_the_message_waited(project):
    (line,) = typed(project, "tail", "-n", "1", "--trail", "messages", "--json").splitlines()
    told = json.loads(line)
    assert told["time"] == typed(project, "tail", "-n", "1", "--trail", "messages").split()[0]
    assert told["latency"] > 0


def test_what_is_no_record_of_ours_stops_no_reader(project, mas_redis_server):
    forged = [
        {"decision": ["a"], "sender": "eve"},
        {"decision": "ALLOWED", "sender": {"a": 1}},
        {"decision": "ALLOWED", "violations": "email"},
        {"decision": "ALLOWED", "violations": {"email": "many"}},
        {"event": 5},
        {"sender": "eve", "decision": "ALLOWED"},
    ]
    with mas_redis_server.client() as client:
        for record in forged:
            client.xadd(KEYS.audit_messages, {"record": json.dumps(record), "mac": "00"})
        client.xadd(KEYS.audit_messages, {"something": "else"})
        client.xadd(
            KEYS.audit_messages, {"record": '{"sender":"eve"}', "mac": "00"}, id="18446744073709551615-1"
        )
    assert len(typed(project, "query", "--sender", "eve").splitlines()) == 2
    assert typed(project, "query", "--class", "email").count("eve") == 0
    assert "18446744073709552.000" in typed(project, "tail", "--trail", "messages")
    assert "18446744073709552.000" in typed(project, "stats")
    assert typed(project, "export", "--format", "csv", "--trail", "messages").count(",eve,") == 2
    assert json.loads(typed(project, "export", "--format", "summary"))["verification"]["intact"] is False
    assert "its MAC is wrong" in typed(project, "verify", code=1)


def test_nobody_but_its_owner_may_change_which_key_is_believed_whatever_the_umask(project):
    before = os.umask(0)
    try:
        typed(project, "rotate")
    finally:
        os.umask(before)
    assert (project / "audit.pub").stat().st_mode & 0o777 == 0o644
    assert (project / "audit.key").stat().st_mode & 0o777 == 0o600


def test_a_key_is_shown_where_it_is_and_made_nowhere(project):
    known = typed(project, "key")
    (project / "audit.key").unlink()
    assert typed(project, "key") == known
    (project / "audit.pub").unlink()
    assert "there is no key for seals yet" in refused(project, "key", code=78)
    assert not (project / "audit.key").exists()


def test_a_reader_that_has_seen_enough_is_no_error(project):
    words = [sys.executable, "-m", "mas", "audit", "query", "--json", "--config", str(project)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"trail"')
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


def test_an_interrupt_ends_a_command_quietly(project):
    words = [sys.executable, "-m", "mas", "audit", "tail", "-f", "-n", "1", "--config", str(project)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b""
        assert process.wait() == 130
