import logging
import multiprocessing
import re
import stat
import subprocess
from pathlib import Path

import pytest

from mas.errors import ConfigurationError
from mas.settings import Settings, deployment_secret, load
from mas.settings.deployment import _generate

from .conftest import write


def refused(*args) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        deployment_secret(*args)
    return caught.value


@pytest.fixture
def settings(tmp_path) -> Settings:
    return load({}, environ={}, start=tmp_path)


def test_the_variable_comes_first(tmp_path):
    file = write(tmp_path / "s", "f" * 16, 0o600)
    settings = load({"secret_file": str(file)}, environ={})
    assert deployment_secret(settings, {"MAS_SECRET": "v" * 16}).reveal() == "v" * 16
    assert deployment_secret(settings, {}).reveal() == "f" * 16


def test_the_file_is_relative_to_agents_yaml_and_may_be_named_by_a_variable(project):
    write(project / "s", "f" * 16, 0o600)
    write(project / "t", "t" * 16, 0o600)
    write(project / "agents.yaml", "secret_file: s")
    assert deployment_secret(load(project, environ={}), {}).reveal() == "f" * 16
    environ = {"MAS_SECRET_FILE": str(project / "t")}
    assert deployment_secret(load(project, environ=environ), environ).reveal() == "t" * 16


@pytest.mark.parametrize("value", ["", "canary"])
def test_a_short_secret_is_refused_and_not_quoted(settings, value):
    error = refused(settings, {"MAS_SECRET": value})
    assert error.where == "MAS_SECRET"
    assert "canary" not in str(error)


def test_a_missing_file_is_an_error_and_nothing_is_generated_instead(tmp_path):
    settings = load({"secret_file": "nowhere"}, environ={}, start=tmp_path)
    assert "cannot be read" in refused(settings, {}).problem
    assert not settings.data_dir.exists()


def test_without_one_it_is_generated_once_for_its_owner_alone(settings, caplog):
    with caplog.at_level(logging.INFO, logger="mas.settings"):
        first = deployment_secret(settings, {})
        second = deployment_secret(settings, {})
    assert first == second
    assert re.fullmatch("[0-9a-f]{64}", first.reveal())
    path = settings.data_dir / "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
    ignored = settings.data_dir / ".gitignore"
    assert sorted(settings.data_dir.iterdir()) == [ignored, path]
    assert ignored.read_text() == "*\n"
    assert [record.message for record in caplog.records] == [f"deployment secret generated in {path}"]
    assert first.reveal() not in caplog.text


def test_with_an_external_redis_it_is_generated_too_and_the_log_says_who_else_needs_it(tmp_path, caplog):
    settings = load({"service_redis_url": "redis://localhost"}, environ={}, start=tmp_path)
    with caplog.at_level(logging.INFO, logger="mas.settings"):
        assert deployment_secret(settings, {})
    assert "other machines that share this Redis need the same" in caplog.text


def test_a_generated_secret_that_was_opened_to_others_is_refused(settings):
    deployment_secret(settings, {})
    (settings.data_dir / "secret").chmod(0o644)
    assert refused(settings, {}).problem == "others may read this secret"


def test_a_directory_that_others_may_write_is_refused(settings):
    settings.data_dir.mkdir()
    settings.data_dir.chmod(0o777)
    assert "others may replace" in refused(settings, {}).problem


def test_a_directory_that_cannot_be_made_is_an_error_with_a_way_out(tmp_path):
    write(tmp_path / "file", "")
    settings = load({"data_dir": "file/below"}, environ={}, start=tmp_path)
    error = refused(settings, {})
    assert "no deployment secret can be kept here" in error.problem
    assert "MAS_SECRET" in error.hint


def _make(directory: str, barrier, results) -> None:
    settings = load({}, environ={}, start=Path(directory))
    barrier.wait()
    results.put(deployment_secret(settings, {}).reveal())


def test_processes_that_start_at_once_share_one_secret(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_make, args=(str(tmp_path), barrier, results)) for _ in range(4)]
    for process in processes:
        process.start()
    found = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(timeout=60)
    assert len(found) == 1
    assert sorted(path.name for path in (tmp_path / ".mas").iterdir()) == [".gitignore", "secret"]


def test_of_a_directory_with_other_things_in_it_git_sees_all_but_the_keys(tmp_path):
    (tmp_path / "code.py").touch()
    settings = load({"data_dir": "."}, environ={}, start=tmp_path)
    deployment_secret(settings, {})
    (tmp_path / "audit.key").touch()
    subprocess.run(["git", "init", "--quiet", "."], cwd=tmp_path, check=True)
    told = subprocess.run(
        ["git", "status", "--porcelain"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert told.stdout.split() == ["??", ".gitignore", "??", "code.py"]


def test_whoever_comes_second_keeps_what_is_there_and_leaves_no_draft(tmp_path):
    path = write(tmp_path / "secret", "f" * 16, 0o600)
    ignored = write(tmp_path / ".gitignore", "!secret\n", 0o644)
    assert not _generate(path)
    assert path.read_text() == "f" * 16
    assert ignored.read_text() == "!secret\n"
    assert sorted(tmp_path.iterdir()) == [ignored, path]
