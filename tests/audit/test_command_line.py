"""`mas audit`, typed."""

import json

import anyio
import pytest
from click.testing import CliRunner

from mas.audit import SCRIPTS
from mas.cli.app import app
from mas.redis import open_redis
from tests.audit.conftest import KEYS, Desk


@pytest.fixture
def project(redis_url, tmp_path, monkeypatch):
    """A configuration whose Redis holds 300 sealed records and 20 others."""
    (tmp_path / "agents.yaml").write_text(f"service_redis_url: {redis_url}\ndata_dir: {tmp_path}\n")
    monkeypatch.setenv("MAS_SECRET", "a secret that only tests have")

    async def prepare():
        async with open_redis(redis_url, scripts=SCRIPTS) as redis:
            desk = Desk(redis, tmp_path, redis_url)
            await desk.write(300)
            await desk.seal_all(seal_batch=50)
            await desk.write(20)

    anyio.run(prepare, backend="trio")
    return tmp_path


def typed(project, *words, code=0):
    done = CliRunner().invoke(app, ["audit", *words, "--config", str(project)])
    assert done.exit_code == code, done.output
    return done.stdout


def test_verify_says_whether_it_is_intact_and_ends_with_the_code_for_it(project):
    assert "300 records" in typed(project, "verify")
    report = json.loads(typed(project, "verify", "--json"))
    assert (report["intact"], report["exit_code"], report["outside"] >= 6) == (True, 0, True)
    (project / "audit-seals.jsonl").rename(project / "elsewhere")
    assert "without a seal from outside" in typed(project, "verify", code=3)
    assert "agree with their copies" in typed(project, "verify", "--seals", str(project / "elsewhere"))


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
    assert summary["verification"]["intact"]
    typed(project, "export", "--sender", "ann", code=2)


def test_stats_archive_and_rotate(project):
    figures = json.loads(typed(project, "stats", "--json"))
    assert (figures["messages"]["records"], figures["messages"]["unsealed"]) == (320, 20)
    assert "messages: 320 records, 20 not sealed yet, from 20" in typed(project, "stats")
    assert typed(project, "archive") == ""
    assert "seals are signed by key" in typed(project, "rotate")
    assert typed(project, "key").count("BEGIN PUBLIC KEY") == 2
    assert "agree with their copies" in typed(project, "verify")


def test_a_key_file_that_holds_none_is_a_configuration_error(project):
    (project / "no.pem").write_text("nothing")
    typed(project, "verify", "--public-key", str(project / "no.pem"), code=78)
