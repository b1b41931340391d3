import os
from pathlib import Path

import pytest

from mas.errors import ConfigurationError
from mas.settings import find_config, load
from mas.settings.search import read_secret, writable_by_others

from .conftest import write

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def refused(call, *args, **kwargs) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        call(*args, **kwargs)
    return caught.value


def test_the_nearest_file_upward_is_found(project):
    inner = project / "a" / "b"
    inner.mkdir(parents=True)
    assert find_config(inner) == project / "agents.yaml"
    nearer = write(project / "a" / "agents.yaml", "")
    assert find_config(inner) == nearer


def test_the_search_begins_in_the_working_directory(project, monkeypatch):
    monkeypatch.chdir(project)
    assert find_config() == project / "agents.yaml"


def test_no_file_at_all_is_an_error_that_says_what_to_do(tmp_path):
    error = refused(find_config, tmp_path)
    assert str(tmp_path) in error.problem
    assert "--config" in error.hint


@pytest.mark.parametrize("mode", [0o646, 0o666, 0o602])
def test_a_file_that_everyone_may_write_is_not_believed(project, mode):
    (project / "agents.yaml").chmod(mode)
    error = refused(load, start=project, environ={})
    assert (error.problem, error.where) == ("others may write this file", str(project / "agents.yaml"))
    assert error.hint.startswith("chmod go-w")
    assert refused(load, project, environ={}).problem == "others may write this file"


def test_a_gateway_file_that_everyone_may_write_is_not_believed(project):
    write(project / "gateway.yaml", "features: {dlp: false}", 0o666)
    assert refused(load, project, environ={}).where == str(project / "gateway.yaml")


def test_a_planted_parent_file_ends_the_search_instead_of_being_passed_over(project):
    inner = project / "inner"
    inner.mkdir()
    write(inner / "agents.yaml", "namespace: planted", 0o666)
    assert refused(load, start=inner, environ={}).where == str(inner / "agents.yaml")


def test_a_directory_where_others_may_put_files_is_not_believed(project):
    project.chmod(0o777)
    assert "others may put files" in refused(load, start=project, environ={}).problem
    assert load(project, environ={}).agents
    project.chmod(0o1777)
    assert load(start=project, environ={}).agents


def test_a_link_leads_to_a_file_that_must_be_safe_where_it_lies(project, tmp_path):
    open_directory = tmp_path / "open"
    open_directory.mkdir()
    target = write(open_directory / "real.yaml", "")
    (project / "agents.yaml").unlink()
    (project / "agents.yaml").symlink_to(target)
    assert load(start=project, environ={}).base == project
    open_directory.chmod(0o777)
    assert "others may put files" in refused(load, start=project, environ={}).problem


@as_root
def test_a_file_of_another_user_is_believed_only_when_named(project):
    os.chown(project / "agents.yaml", 12345, 12345)
    error = refused(load, start=project, environ={})
    assert error.problem == "the file belongs to another user (12345)"
    assert "MAS_CONFIG" in error.hint
    assert load(project, environ={}).agents
    assert load(environ={"MAS_CONFIG": str(project)}).agents


@as_root
def test_a_gateway_file_of_another_user_beside_a_searched_one_is_not_believed(project):
    os.chown(write(project / "gateway.yaml", ""), 12345, 12345)
    assert "another user" in refused(load, start=project, environ={}).problem


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_only_a_regular_file_is_read_and_none_is_waited_for(tmp_path, make):
    make(tmp_path / "odd.yaml")
    path = tmp_path / "odd.yaml"
    assert refused(load, path, environ={}).where.startswith(str(path))


@pytest.mark.parametrize("target", ["nowhere", "nowhere/at/all", "agents.yaml"])
def test_a_link_that_leads_nowhere_is_an_error(tmp_path, target):
    (tmp_path / "agents.yaml").symlink_to(tmp_path / target)
    assert "cannot be read" in refused(load, start=tmp_path, environ={}).problem


@pytest.mark.parametrize("path", ["\0", "a" * 5000, "~nobody-of-this-name/x"])
def test_a_path_that_cannot_be_is_an_error(path):
    assert "cannot be read" in refused(load, path, environ={}).problem


@pytest.mark.parametrize(
    ("mode", "gid", "others"),
    [(0o600, 0, False), (0o644, 0, False), (0o664, 0, False), (0o664, 1, True), (0o646, 0, True)],
)
def test_a_group_of_the_owner_alone_is_not_others(mode, gid, others):
    # The group of root, by name and without further members, stands for each user's private group.
    status = os.stat_result((0o100000 | mode, 0, 0, 1, 0, gid, 0, 0, 0, 0))
    assert writable_by_others(status) is others


def test_a_group_that_nobody_knows_is_others():
    status = os.stat_result((0o100664, 0, 0, 1, 12345, 12345, 0, 0, 0, 0))
    assert writable_by_others(status)


def test_a_secret_loses_its_line_end(tmp_path):
    assert read_secret(write(tmp_path / "s", "0123456789abcdef\r\n", 0o400)).reveal() == "0123456789abcdef"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_secret_that_others_may_touch_is_refused(tmp_path, mode):
    path = write(tmp_path / "s", "0123456789abcdef", mode)
    assert refused(read_secret, path).problem == "others may read this secret"


@pytest.mark.parametrize(
    ("length", "problem"), [(15, "shorter than 16"), (0, "shorter"), (4097, "longer than 4,096")]
)
def test_a_secret_has_a_length(tmp_path, length, problem):
    assert problem in refused(read_secret, write(tmp_path / "s", "x" * length, 0o600)).problem


@as_root
def test_a_secret_of_another_user_is_refused(tmp_path):
    os.chown(write(tmp_path / "s", "x" * 16, 0o600), 12345, -1)
    assert "another user" in refused(read_secret, tmp_path / "s").problem
