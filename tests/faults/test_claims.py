"""`CLAIMS.md` names the tests of each row: they exist, and run on both backends."""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
LINES = [line for line in (HERE / "CLAIMS.md").read_text().splitlines() if re.match(r"\| [FS]\d", line)]
ROWS = {line.split(" | ")[0].strip("| "): re.findall(r"`([\w/.]+)::(\w+)`", line) for line in LINES}
CLAIMS = [(row, file, name) for row, tests in ROWS.items() for file, name in tests]
DUE = [*(f"F{n}" for n in range(1, 23)), "F7b", *(f"S{n}" for n in range(1, 22))]


def test_every_row_is_there_once_and_says_what_must_hold():
    assert sorted(ROWS) == sorted(DUE)
    assert len(LINES) == len(ROWS)
    for line in LINES:
        _, row, what, tests, _ = (cell.strip() for cell in line.split("|"))
        assert what, row
        assert tests.count("`") == 2 * len(ROWS[row]), f"{row}: a name is not written as file::name"
        assert ROWS[row], row
        assert len(set(ROWS[row])) == len(ROWS[row]), row


@pytest.mark.parametrize(("row", "file", "name"), CLAIMS, ids=[f"{row}-{name}" for row, _, name in CLAIMS])
def test_a_claim_is_a_test_that_runs_on_both_backends(row, file, name):
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    test = getattr(module, name)
    marks: list[Any] = getattr(test, "pytestmark", [])
    assert not any(mark.name in {"skip", "skipif", "xfail"} for mark in marks)
    if inspect.iscoroutinefunction(test):
        # The fixture `anyio_backend` chooses, and no test of ours chooses against it.
        assert not any("anyio_backend" in mark.args[0] for mark in marks if mark.name == "parametrize")
