"""`CLAIMS.md` names the test of each claim: it exists, and runs on both backends."""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
CLAIMS = re.findall(r"^\| (.+?) \| `(\w+)\.py` `(\w+)` \|$", (HERE / "CLAIMS.md").read_text(), re.MULTILINE)
ONE_BACKEND = {"test_under_trios_mock_clock_long_delays_cost_no_time"}


@pytest.mark.parametrize(("claim", "module", "name"), CLAIMS, ids=[claim for claim, _, _ in CLAIMS])
def test_a_claim_is_a_test_that_runs_on_both_backends(claim, module, name):
    test = getattr(importlib.import_module(f"tests.supervision.{module}"), name)
    marks: list[Any] = getattr(test, "pytestmark", [])
    chosen = any("anyio_backend" in mark.args[0] for mark in marks if mark.name == "parametrize")
    asked = inspect.iscoroutinefunction(test) or "backend" in inspect.signature(test).parameters
    # What needs no task at all has no backend.
    assert (asked and not chosen) or module == "test_decisions" or name in ONE_BACKEND


def test_each_line_of_the_table_is_read():
    lines = [line for line in (HERE / "CLAIMS.md").read_text().splitlines() if line.startswith("| ")]
    assert len(CLAIMS) == len([line for line in lines if not line.startswith("| what must hold")])
    assert len({name for _, _, name in CLAIMS}) == len(CLAIMS)
