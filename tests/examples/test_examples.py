"""Each example runs as its README says, in a process of its own, and prints what its README shows."""

import re
from pathlib import Path

import pytest

from tests.cli.process import started
from tests.house import ROOT

EXAMPLES = ROOT / "examples"


def run(example: str, data_dir: Path, backend: str, *, until: str) -> str:
    """Run an example until it prints something, stop it, and return all it printed."""
    with started("--backend", backend, cwd=EXAMPLES / example, MAS_DATA_DIR=str(data_dir)) as running:
        running.out.expect(until)
        assert running.stop() == 0
    assert "Traceback" not in str(running.err)
    return str(running.out)


def shown(example: str) -> list[str]:
    """Return the lines that a README shows, each up to where it leaves something out."""
    blocks = re.findall(r"```text\n(.*?)```", (EXAMPLES / example / "README.md").read_text(), re.DOTALL)
    return [line.split("...")[0].strip() for line in "".join(blocks).splitlines()]


def test_every_example_has_a_readme_and_a_test():
    there = {path.name for path in EXAMPLES.iterdir() if (path / "agents.yaml").is_file()}
    tested = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert there == {name for name in there if name in tested and (EXAMPLES / name / "README.md").is_file()}


def test_chemistry_tutoring_teaches_and_remembers_from_run_to_run(tmp_path, anyio_backend):
    first = run("chemistry_tutoring", tmp_path / "data", anyio_backend, until="lesson 1")
    assert all(line in first for line in shown("chemistry_tutoring"))
    assert "lesson 1: 0 of 3 right" in first
    second = run("chemistry_tutoring", tmp_path / "data", anyio_backend, until="lesson 2")
    assert "lesson 2: 3 of 3 right" in second


def test_healthcare_consultation_refuses_the_patient_and_sees_every_case(tmp_path, anyio_backend):
    output = run("healthcare_consultation", tmp_path / "data", anyio_backend, until="consultation over")
    assert all(line in output for line in shown("healthcare_consultation"))
    assert "AUTHZ_DENIED" in output


@pytest.mark.parametrize(
    ("question", "result"),
    [
        ("molar mass of H2O", "18.02 g/mol"),
        ("molar mass of Al2(SO4)3", "342.13 g/mol"),
        ("balance H2 + O2 -> H2O", "2 H2 + O2 -> 2 H2O"),
        (
            "balance KMnO4 + HCl -> KCl + MnCl2 + H2O + Cl2",
            "2 KMnO4 + 16 HCl -> 2 KCl + 2 MnCl2 + 8 H2O + 5 Cl2",
        ),
        ("pH of 0.01 mol/L HCl", "pH 2.0"),
    ],
)
def test_the_chemistry_is_right(question, result):
    from examples.chemistry_tutoring.chemistry import solve  # noqa: PLC0415 - where the example is under test

    assert solve(question).result == result


@pytest.mark.parametrize(
    "question",
    [
        "molar mass of Xx2",
        "molar mass of (OH",
        "molar mass of OH)2",
        "balance H2 -> O2",
        "balance H2",
        "why?",
    ],
)
def test_what_is_no_chemistry_is_declined(question):
    from examples.chemistry_tutoring.chemistry import NotChemistry, solve  # noqa: PLC0415

    with pytest.raises(NotChemistry):
        solve(question)
