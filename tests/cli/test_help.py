import subprocess
import sys

import mas as face
from tests.cli.process import environ, mas

HEAVY = {
    "msgspec",
    "redis",
    "hiredis",
    "trio",
    "anyio",
    "asyncio",
    "rich",
    "structlog",
    "cattrs",
    "yaml",
    "cryptography",
}
"""What a run needs, and a line of help does not: each costs 10 to 200 ms."""


def loaded_after(code, *arguments):
    """Return which heavy packages a fresh interpreter holds after some code."""
    code = f"import sys\ntry:\n    {code}\nexcept SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    ended = subprocess.run(
        [sys.executable, "-I", "-c", code, *arguments],
        env=environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ended.stderr.split()) & HEAVY


def test_help_loads_nothing_that_only_a_run_needs():
    for arguments in (
        ["--help"],
        ["run", "--help"],
        ["check", "-h"],
        ["demo", "--help"],
        ["doctor", "--help"],
        ["init", "--help"],
        ["redis", "--help"],
        ["send", "--help"],
        ["request", "--help"],
        ["tail", "--help"],
        ["--version"],
        ["x"],
    ):
        assert loaded_after("from mas.cli import main; main()", *arguments) == set()


def test_the_face_loads_what_is_asked_for_and_no_more():
    assert loaded_after("import mas; mas.MasError; mas.Decision") == set()
    assert "redis" in loaded_after("import mas; mas.Agent")


def test_the_face_is_all_there():
    assert set(face.__all__) <= set(dir(face))
    assert not hasattr(face, "Agnet")


def test_every_command_has_a_line_of_help(tmp_path):
    ended = mas("--help", cwd=tmp_path)
    assert ended.returncode == 0
    _, _, listed = ended.stdout.partition("Commands:\n")
    commands = {line.split()[0]: line.strip() for line in listed.splitlines()}
    assert {"check", "demo", "doctor", "init", "redis", "request", "run", "send", "tail"} <= set(commands)
    assert not [line for line in commands.values() if line.endswith("...")]


def test_the_version_is_the_one_of_the_package(tmp_path):
    assert mas("--version", cwd=tmp_path).stdout == f"mas {face.__version__}\n"
