from pathlib import Path

import pytest

from mas.errors import ConfigurationError
from mas.settings import explain, load
from mas.settings.variables import variables

from .conftest import write


def loaded(environ, source=None):
    return load(source if source is not None else {}, environ=environ)


def refused(environ, source=None) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        loaded(environ, source)
    return caught.value


def test_a_variable_overrides_the_file(project):
    write(project / "gateway.yaml", "rate_limit: {per_minute: 5, per_hour: 6}\n")
    limits = load(project, environ={"MAS_GATEWAY__RATE_LIMIT__PER_MINUTE": "100"}).gateway.rate_limit
    assert (limits.per_minute, limits.per_hour) == (100, 6)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("MAS_START_SERVICE", "false", lambda s: s.start_service is False),
        ("MAS_START_SERVICE", "no", lambda s: s.start_service is False),
        ("MAS_START_SERVICE", "", lambda s: s.start_service is True),
        ("MAS_SHUTDOWN_GRACE", "1.5", lambda s: s.shutdown_grace == 1.5),
        ("MAS_NAMESPACE", "123", lambda s: s.namespace == "123"),
        ("MAS_NAMESPACE", "true", lambda s: s.namespace == "true"),
        ("MAS_GATEWAY__BATCH", "7", lambda s: s.gateway.batch == 7),
        ("MAS_GATEWAY__FEATURES__DLP", "off", lambda s: not s.gateway.features.dlp),
        ("MAS_GATEWAY__RATE_LIMIT__PER_HOUR", "null", lambda s: s.gateway.rate_limit.per_hour is None),
        (
            "MAS_SERVICE_REDIS_URL",
            "redis://localhost/1",
            lambda s: s.redis_url.reveal() == "redis://localhost/1",
        ),
        ("MAS_SERVICE_REDIS_URL", "", lambda s: s.redis_url is None),
        ("MAS_GATEWAY__REDIS__URL", "unix:///r.sock", lambda s: s.redis_url.scheme == "unix"),
        ("MAS_DATA_DIR", "/srv/mas", lambda s: s.data_dir == Path("/srv/mas")),
        ("MAS_DATA_DIR", "state", lambda s: s.data_dir == Path.cwd() / "state"),
    ],
)
def test_a_value_is_read_as_its_setting_needs_it(name, text, value):
    assert value(loaded({name: text}))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("MAS_START_SERVCE", "did you mean MAS_START_SERVICE?"),
        ("MAS_GATEWAY__RATE_LIMIT__PER_MINTE", "did you mean MAS_GATEWAY__RATE_LIMIT__PER_MINUTE?"),
        ("MAS_GATEWAY_RATE_LIMIT_PER_MINUTE", "did you mean MAS_GATEWAY__RATE_LIMIT__PER_MINUTE?"),
        ("MAS_CONFG", "did you mean MAS_CONFIG?"),
        ("MAS_SERVICE_REDIS_URL_FIL", "did you mean MAS_SERVICE_REDIS_URL_FILE?"),
        ("MAS_XYZZY", "mas check --verbose lists them all"),
        ("MAS_", "mas check --verbose lists them all"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_name(name, hint):
    error = refused({name: "canary"})
    assert (error.where, error.hint) == (name, hint)
    assert "canary" not in str(error)


@pytest.mark.parametrize(
    "name", ["MAS_AGENTS", "MAS_PERMISSIONS", "MAS_GATEWAY", "MAS_GATEWAY__RATE_LIMIT__OVERRIDES"]
)
def test_a_setting_of_many_values_has_no_variable(name):
    assert refused({name: "[]"}).problem == "this setting is more than one value"


def test_variables_of_others_are_none_of_ours():
    assert loaded({"PATH": "x", "mas_start_service": "x", "MASQUERADE": "x"}).start_service


def test_a_misfit_is_named_by_its_variable():
    error = refused({"MAS_GATEWAY__BATCH": "many"})
    assert error.where == "MAS_GATEWAY__BATCH"
    assert error.problem == "expected a whole number, not 'many'"


@pytest.mark.parametrize("text", ["1" * 5000, "2024-99-99", "0b_", "[1", "*x", "!!int 3"])
def test_odd_scalars_are_misfits_like_any_other(text):
    assert refused({"MAS_GATEWAY__BATCH": text}).where == "MAS_GATEWAY__BATCH"


def test_a_secret_may_come_from_a_file(tmp_path):
    file = write(tmp_path / "url", "redis://:pw@localhost\n", 0o600)
    settings = loaded({"MAS_SERVICE_REDIS_URL_FILE": str(file)})
    assert settings.redis_url is not None
    assert settings.redis_url.reveal() == "redis://:pw@localhost"


def test_a_secret_and_its_file_cannot_both_be_set(tmp_path):
    file = write(tmp_path / "url", "redis://localhost", 0o600)
    environ = {"MAS_SERVICE_REDIS_URL": "redis://localhost", "MAS_SERVICE_REDIS_URL_FILE": str(file)}
    assert "MAS_SERVICE_REDIS_URL is set as well" in refused(environ).problem
    assert "set as well" in refused({"MAS_SECRET": "x" * 16, "MAS_SECRET_FILE": str(file)}).problem


def test_a_secret_file_that_others_may_read_is_refused(tmp_path):
    file = write(tmp_path / "url", "redis://localhost", 0o644)
    assert "others may read this secret" in refused({"MAS_SERVICE_REDIS_URL_FILE": str(file)}).problem


def test_a_secret_in_a_file_is_not_quoted_when_it_misfits(tmp_path):
    file = write(tmp_path / "url", "ftp://:canary@localhost", 0o600)
    assert "canary" not in str(refused({"MAS_SERVICE_REDIS_URL_FILE": str(file)}))


def test_the_gateway_file_may_be_named_by_a_variable(project, tmp_path):
    other = write(tmp_path / "g.yaml", "batch: 2\n")
    assert load(project, environ={"MAS_GATEWAY_CONFIG_FILE": str(other)}).gateway.batch == 2


def test_a_variable_does_not_hide_a_wrong_section():
    assert "expected a mapping" in refused({"MAS_GATEWAY__BATCH": "3"}, {"gateway": [1]}).problem


def test_every_variable_leads_to_a_key_that_explain_names():
    keys = {line.key for line in explain(loaded({}))}
    assert {".".join(map(str, path)) for _, path, _ in variables()} <= keys
