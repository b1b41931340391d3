"""`mas dlp`: texts in, verdicts out, in the same order."""

import json

import pytest

from tests.cli.process import mas

CARD = "4111 1111 1111 1111"
LINES = [
    json.dumps({"text": f"my card is {CARD}", "label": "credit_card"}),
    "nothing to see here",
    json.dumps("write to maria.lopez@hospital-berlin.de"),
    json.dumps({"order": {"ssn": 536904399}}),
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text("\n".join(LINES) + "\n")
    return path


def test_each_line_has_its_verdict_in_the_same_order(tmp_path, file):
    ended = mas("dlp", "scan", file, "--json", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    verdicts = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [verdict["action"] for verdict in verdicts] == ["BLOCK", None, "ALERT", "REDACT"]
    (card,) = verdicts[0]["findings"]
    assert (card["class"], card["path"]) == ("credit_card", "$")
    assert f"my card is {CARD}"[card["start"] : card["end"]] == CARD
    assert verdicts[3]["findings"][0]["path"] == "$.order.ssn"
    assert CARD not in ended.stdout


def test_without_json_it_says_the_same_in_words(tmp_path, file):
    ended = mas("dlp", "scan", file, cwd=tmp_path)
    assert ended.stdout.splitlines()[:2] == ["block: credit_card at $ 11-30", "pass"]


def test_it_scans_as_the_deployment_does(tmp_path, file):
    (tmp_path / "agents.yaml").write_text(
        "gateway:\n  dlp:\n    actions: {credit_card: alert, email: null}\n"
    )
    ended = mas("dlp", "scan", file, "--json", "--config", tmp_path / "agents.yaml", cwd=tmp_path)
    actions = [json.loads(line)["action"] for line in ended.stdout.splitlines()]
    assert actions == ["ALERT", None, None, "REDACT"]


def test_a_labelled_file_is_scored_by_class(tmp_path):
    labelled = tmp_path / "labelled.jsonl"
    labelled.write_text(
        "\n".join(
            json.dumps({"text": text, "label": label})
            for text, label in [
                (f"card {CARD}", "credit_card"),
                ("nothing here", None),
                ("his number is seven", "phone"),
            ]
        )
    )
    ended = mas("dlp", "test", labelled, "--json", cwd=tmp_path)
    scores = json.loads(ended.stdout)
    assert scores["classes"]["credit_card"]["recall"] == 1
    assert scores["classes"]["phone"]["recall"] == 0
    assert scores["micro"]["precision"] == 1
    assert (scores["clean"], scores["clean_flagged"]) == (1, 0)
    assert "| all (micro) |" in mas("dlp", "test", labelled, cwd=tmp_path).stdout


def test_a_file_that_is_not_labelled_is_refused_with_its_line(tmp_path, file):
    ended = mas("dlp", "test", file, cwd=tmp_path)
    assert ended.returncode == 78
    assert ended.stdout == ""
    assert "texts.jsonl" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("dlp", "told"),
    [
        ("actions: {credit_cart: block}", "credit_cart"),
        ("actions: {ssn: shred}", "shred"),
        ("custom: [{name: badge, pattern: 'B[0-9', action: block}]", "badge"),
        ("custom: [{name: badge, pattern: 'B[0-9]{4}', must_match: ['C1234']}]", "example 1"),
        ("allow: {values: ['4111']}", "value hash"),
    ],
)
def test_what_cannot_be_used_is_refused_at_load(tmp_path, dlp, told):
    (tmp_path / "agents.yaml").write_text(f"gateway:\n  dlp:\n    {dlp}\n")
    ended = mas("check", cwd=tmp_path)
    assert ended.returncode == 78
    assert told in ended.stderr
    assert "gateway.dlp" in ended.stderr
