"""Where a process may show itself, and to whom."""

import re
from pathlib import Path

import attrs
import pytest
import yaml

from mas import ConfigurationError
from mas.settings import OpsSettings, Secret, explain, load

TOKEN = "CANARY-token-0123456789"


def refused(source, environ=None):
    with pytest.raises(ConfigurationError) as caught:
        load(source, environ=environ or {})
    assert "CANARY" not in str(caught.value)
    return str(caught.value)


def test_nothing_listens_unless_a_port_is_given():
    assert load({}, environ={}).ops.port is None
    assert load({"ops": {"port": 9090}}, environ={}).ops.host == "127.0.0.1"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", "localhost.example.org"])
def test_whoever_others_can_reach_needs_a_token(host):
    assert f"{host} may be reached" in refused({"ops": {"port": 9090, "host": host}})
    for environ in ({"MAS_OPS__TOKEN": TOKEN}, {"MAS_OPS__TOKEN_FILE": "/a/file"}):
        loaded = load({"ops": {"port": 9090, "host": host}}, environ=environ)
        assert loaded.ops.guarded
        assert any("can read the token" in warning for warning in loaded.warnings)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_alone_needs_none(host):
    loaded = load({"ops": {"port": 9090, "host": host}}, environ={})
    assert not loaded.ops.guarded
    assert not loaded.warnings


@pytest.mark.parametrize(
    ("ops", "problem"),
    [
        ({"port": 65536}, "between 0 and 65,535"),
        ({"port": "9090"}, "whole number"),
        ({"host": "two hosts"}, "a host name or an address"),
        ({"token": "CANARY-short"}, "shorter than 16 characters"),
        ({"token": "CANARY with a space in it"}, "visible ASCII"),
        ({"token": "CANARY\nX-Header: injected"}, "visible ASCII"),
        ({"token": "CANARY-ümläut-0123456789"}, "visible ASCII"),
        ({"token": 1234567890123456}, "expected text"),
        ({"token": TOKEN, "token_file": "token"}, "ops.token is set as well"),
        ({"tls_key": "key.pem"}, "come only together"),
        ({"tls_certificate": "cert.pem"}, "come only together"),
        ({"prot": 1}, "did you mean port?"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(ops, problem):
    assert problem in refused({"ops": ops})


def test_the_section_shown_in_comments_is_the_default_but_for_the_port():
    text = (Path(__file__).parents[2] / "config" / "agents.yaml").read_text()
    (shown,) = re.findall(r"^# ops:\n((?:#   .*\n)+)", text, re.MULTILINE)
    found = yaml.safe_load(re.sub(r"^# ", "", shown, flags=re.MULTILINE))
    assert found.keys() == {field.name for field in attrs.fields(OpsSettings)} - {"token"}
    assert load({"ops": found}, environ={}).ops == OpsSettings(port=found["port"])


def test_a_token_and_its_file_are_not_both_taken():
    both = {"MAS_OPS__TOKEN": TOKEN, "MAS_OPS__TOKEN_FILE": "/a/file"}
    assert "ops.token is set as well" in refused({}, both)


def test_the_token_is_shown_nowhere():
    settings = load({"ops": {"port": 9090, "token": TOKEN}}, environ={})
    assert TOKEN not in repr(settings)
    assert TOKEN not in str(explain(settings))
    assert settings.ops.bearer(settings.base) == Secret(TOKEN)


def test_a_token_is_read_from_a_file_of_ones_own(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    settings = load({"ops": {"token_file": "token"}}, environ={}, start=tmp_path)
    assert settings.ops.bearer(settings.base) == Secret(TOKEN)
    for content, mode, problem in (
        (TOKEN, 0o644, "others may read"),
        ("CANARY-short", 0o600, "shorter than 16"),
        ("CANARY with a space in it", 0o600, "visible ASCII"),
    ):
        file.write_text(content)
        file.chmod(mode)
        with pytest.raises(ConfigurationError, match=problem) as caught:
            settings.ops.bearer(settings.base)
        assert "CANARY" not in str(caught.value)
        assert str(file) in str(caught.value)
