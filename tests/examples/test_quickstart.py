"""The first example does what its README shows."""

import re
import shutil

import pytest

from tests.cli.process import mas, started
from tests.house import ROOT

EXAMPLE = ROOT / "examples/quickstart"
README = (EXAMPLE / "README.md").read_text()


@pytest.fixture
def example(tmp_path):
    """Copy it, so that what it keeps does not stay in the repository."""
    return shutil.copytree(EXAMPLE, tmp_path / "quickstart", ignore=shutil.ignore_patterns(".mas", "__*"))


def test_each_run_prints_what_the_readme_shows(example, anyio_backend):
    shown = re.findall(r"```text\n(.*?\n)```", README, re.DOTALL)
    assert len(shown) == 2
    for line in shown:
        with started("run", "--backend", anyio_backend, cwd=example) as run:
            run.out.expect(line)
            assert run.stop() == 0
        assert run.out.lines == [line]


def test_its_configuration_is_valid_and_raises_no_warning(example):
    ended = mas("check", "--json", cwd=example)
    assert ended.returncode == 0
    assert '"warnings": []' in ended.stdout


def test_without_its_permission_the_reader_is_refused(example):
    agents = example / "agents.yaml"
    agents.write_text(agents.read_text().replace("type: allow ", "type: block "))
    with started("run", cwd=example) as run:
        run.err.expect("AUTHZ_DENIED")
        assert run.stop() == 0
    assert run.out.lines == []


def test_the_readme_names_every_file_of_the_example():
    files = {path.name for path in EXAMPLE.iterdir() if path.is_file() and path.name != "README.md"}
    assert set(re.findall(r"^\| `(\S+)` \|", README, re.MULTILINE)) == files
