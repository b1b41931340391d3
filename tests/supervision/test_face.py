"""The package's face, and that it could ship alone."""

import ast
import doctest
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mas.supervision

FILES = sorted(Path(mas.supervision.__file__).parent.glob("*.py"))


def test_what_is_exported_is_sorted_and_exact():
    face = mas.supervision
    public = {
        name
        for name, value in vars(face).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("mas.supervision.")
    }
    assert face.__all__ == sorted(face.__all__)
    assert set(face.__all__) == public


def test_its_docstring_runs_as_written():
    result = doctest.testmod(mas.supervision)
    assert (result.attempted, result.failed) == (5, 0)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_module_imports_only_what_the_package_may(file):
    allowed = {"anyio", "mas.errors", "mas.clock"}
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            if name.split(".")[0] in {"mas", "trio", "asyncio", "attrs", "msgspec"}:
                assert name in allowed or name.startswith("mas.supervision"), name


def test_it_works_with_nothing_but_anyio_and_two_plain_modules_beside_it(tmp_path):
    """Run the package's own example where nothing else of the house is."""
    house = Path(mas.supervision.__file__).parents[1]
    shutil.copytree(house / "supervision", tmp_path / "mas" / "supervision")
    (tmp_path / "mas" / "__init__.py").touch()
    for name in ("errors.py", "decision.py", "clock.py"):
        shutil.copy(house / name, tmp_path / "mas")
    program = tmp_path / "alone.py"
    program.write_text(
        "import doctest, sys, mas.supervision\n"
        "assert mas.supervision.__file__.startswith(sys.argv[1])\n"
        "assert doctest.testmod(mas.supervision) == (0, 5)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} & {*sys.argv[2:]}))\n"
    )
    others = ("redis", "hiredis", "msgspec", "cattrs", "yaml", "structlog", "trio")
    command = [sys.executable, str(program), str(tmp_path), *others]
    # Who measures coverage measures the package, not this copy of it.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "trio\n"), ran.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_module_stays_small(file):
    assert len(file.read_text().splitlines()) <= 400
