"""The package's face, and how little it leans on."""

import ast
from pathlib import Path

import mas.dlp
from mas.dlp import CLASSES, DEFAULT_ACTIONS, DESCRIPTIONS

ROOT = Path(mas.dlp.__file__).parent


def test_all_is_sorted_and_exact():
    assert list(mas.dlp.__all__) == sorted(mas.dlp.__all__, key=lambda name: (not name.isupper(), name))
    assert all(getattr(mas.dlp, name) is not None for name in mas.dlp.__all__)


def test_it_could_ship_alone():
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith("mas.") or name.startswith("mas.dlp") or name == "mas.errors", (
                    file,
                    name,
                )
                assert name.partition(".")[0] not in {
                    "anyio",
                    "trio",
                    "asyncio",
                    "socket",
                    "redis",
                    "logging",
                }, (file, name)


def test_no_file_outgrows_its_purpose():
    for file in ROOT.rglob("*.py"):
        assert len(file.read_text().splitlines()) <= 400, file


def test_classes_named_by_the_command_line_are_there():
    promised = "ssn email phone credit_card mrn icd10 iban aws_key private_key api_key jwt db_url password"
    assert set(promised.split()) <= set(CLASSES)
    assert set(DESCRIPTIONS) == set(DEFAULT_ACTIONS) == set(CLASSES)
