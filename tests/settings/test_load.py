import logging
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mas.errors import ConfigurationError
from mas.ids import AgentId
from mas.settings import (
    AgentSettings,
    AllowWildcard,
    DeliverySettings,
    GatewaySettings,
    RedisUrl,
    Settings,
    explain,
    load,
)

from .conftest import AGENTS, write


def refused(loading, *args, **kwargs) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        loading(*args, **kwargs)
    return caught.value


def test_the_quick_start_loads_with_every_default(loading, project):
    loaded = loading()
    assert [agent.agent_id for agent in loaded.agents] == ["echo", "greeter"]
    assert loaded.agents[0].init_kwargs == {"capabilities": ["echo"]}
    assert loaded.gateway == GatewaySettings()
    assert loaded.redis_url is None
    assert loaded.start_service
    assert loaded.data_dir == project / ".mas"
    assert loaded.base == project
    assert loaded.sources == (project / "agents.yaml",)
    assert loaded.warnings == ()


def test_an_empty_file_is_a_system_without_agents(loading):
    assert loading("").agents == ()
    assert loading("# nothing but a comment\n").agents == ()


def test_a_key_without_a_value_has_its_default(loading):
    loaded = loading(
        "agents:\npermissions:\nshutdown_grace:\n", "delivery:\nrate_limit:\n  # per_minute: 5\n"
    )
    assert (loaded.agents, loaded.shutdown_grace, loaded.gateway) == ((), 25.0, GatewaySettings())


def test_gateway_yaml_beside_is_read(loading, project):
    loaded = loading(gateway="rate_limit: {per_minute: 7}\n")
    assert loaded.gateway.rate_limit.per_minute == 7
    assert loaded.sources == (project / "agents.yaml", project / "gateway.yaml")


def test_the_gateway_file_named_is_read_instead_and_relative_to_agents_yaml(loading, project):
    (project / "conf").mkdir()
    write(project / "conf" / "strict.yaml", "batch: 3\n")
    loaded = loading(f"gateway_config_file: conf/strict.yaml\n{AGENTS}", "batch: 5\n")
    assert loaded.gateway.batch == 3
    assert loaded.gateway_config_file == project / "conf" / "strict.yaml"


def test_a_gateway_file_that_is_named_must_exist(loading):
    error = refused(loading, f"gateway_config_file: nowhere.yaml\n{AGENTS}")
    assert "nowhere.yaml: cannot be read: No such file" in str(error)


def test_gateway_settings_in_two_places_are_refused(loading):
    error = refused(loading, f"gateway: {{batch: 3}}\n{AGENTS}", "batch: 5\n")
    assert "gateway settings stand here and in" in str(error)


def test_gateway_settings_may_stand_in_agents_yaml(loading):
    assert loading(f"gateway: {{batch: 3}}\n{AGENTS}").gateway.batch == 3


def test_the_file_that_was_taken_is_logged(loading, project, caplog):
    with caplog.at_level(logging.INFO, logger="mas.settings"):
        loading()
    assert f"configuration read from {project / 'agents.yaml'}" in caplog.messages


def test_a_file_or_its_directory_may_be_named(project):
    assert load(project, environ={}) == load(project / "agents.yaml", environ={})
    assert load(str(project), environ={}).base == project


def test_mas_config_names_the_file_and_ends_the_search(project, tmp_path):
    other = write(tmp_path / "other.yaml", "namespace: other\n")
    assert load(environ={"MAS_CONFIG": str(other)}, start=project).namespace == "other"


def test_a_mapping_is_validated_the_same_way(tmp_path):
    loaded = load({"agents": [{"agent_id": "a", "class_path": "m:A"}]}, environ={}, start=tmp_path)
    assert loaded.agents == (AgentSettings(agent_id=AgentId("a"), class_path="m:A"),)
    assert (loaded.base, loaded.data_dir) == (tmp_path, tmp_path / ".mas")
    with pytest.raises(ConfigurationError, match=r"^argument: agents\[0\]\.class_pth: unknown key") as caught:
        load({"agents": [{"agent_id": "a", "class_path": "m:A", "class_pth": 1}]}, environ={})
    assert caught.value.hint == "did you mean class_path?"


def test_a_mapping_may_hold_live_objects_and_is_left_unchanged():
    client = object()
    source = {"agents": [{"agent_id": "a", "class_path": "m:A", "init_kwargs": {"client": client}}]}
    loaded = load(source, environ={"MAS_GATEWAY__BATCH": "3"})
    assert loaded.agents[0].init_kwargs["client"] is client
    assert loaded.gateway.batch == 3
    assert list(source) == ["agents"]


def test_arguments_of_an_agent_may_contain_themselves():
    kwargs: dict[str, object] = {}
    kwargs["self_reference"] = kwargs
    source = {"agents": [{"agent_id": "a", "class_path": "m:A", "init_kwargs": kwargs}]}
    loaded = load(source, environ={})
    assert loaded.agents[0].init_kwargs["self_reference"] is kwargs
    assert [line.value for line in explain(loaded) if "self_reference" in line.key] == ["********"]


def test_a_mapping_may_hold_what_is_made_in_python(tmp_path):
    agent = AgentSettings(agent_id=AgentId("a"), class_path="m:A")
    source = {
        "agents": [agent],
        "permissions": [AllowWildcard(agent=AgentId("a"))],
        "service_redis_url": RedisUrl("redis://localhost"),
        "data_dir": tmp_path,
        "gateway": GatewaySettings(batch=3),
    }
    loaded = load(source, environ={})
    assert (loaded.agents, loaded.gateway.batch, loaded.data_dir) == ((agent,), 3, tmp_path)
    assert loaded.redis_url == RedisUrl("redis://localhost")


def test_settings_are_checked_and_returned_as_they_are():
    given_settings = Settings()
    assert load(given_settings) is given_settings
    with pytest.raises(ConfigurationError, match="the gateway is required"):
        load(Settings(start_gateway=False))


def test_settings_made_in_python_keep_to_the_same_bounds():
    with pytest.raises(ConfigurationError, match=r"^DeliverySettings\.lease: 0 is not between 1 and 3,600 s"):
        DeliverySettings(lease=0)
    with pytest.raises(ConfigurationError, match="not a valid id"):
        AgentSettings(agent_id=AgentId("a:b"), class_path="m:A")


def test_the_gateway_cannot_be_left_out(loading):
    error = refused(loading, f"start_gateway: false\n{AGENTS}")
    assert "gateway is required" in error.problem
    assert "mas run --only agents" in error.hint
    assert error.where.endswith("agents.yaml:1: start_gateway")


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_valid_one(loading, project):
    error = refused(loading, f"{AGENTS}    concurency: 3\n")
    assert error.where == f"{project / 'agents.yaml'}:12: agents[1].concurency"
    assert (error.problem, error.hint) == ("unknown key", "did you mean concurrency?")


def test_a_key_path_in_gateway_yaml_begins_in_that_file(loading, project):
    error = refused(loading, gateway="delivery:\n  lease: 0\n")
    assert error.where == f"{project / 'gateway.yaml'}:2: delivery.lease"


def test_agent_id_is_reserved_in_init_kwargs(loading, project):
    text = AGENTS.replace("capabilities: [echo]", "agent_id: other")
    error = refused(loading, text)
    assert error.where == f"{project / 'agents.yaml'}:9: agents[0].init_kwargs.agent_id"
    assert "reserved" in error.problem


def test_all_problems_are_told_at_once(loading):
    error = refused(
        loading, "agents:\n- agent_id: no\n  class_path: m.A\n", "batch: 65\n", {"MAS_START_SERVCE": "1"}
    )
    lines = str(error).splitlines()
    assert lines[0] == "4 problems in the configuration:"
    assert any("agents[0].agent_id: expected text, not false (put it in quotes)" in line for line in lines)
    assert any("'m.A' is not of the form module:ClassName" in line for line in lines)
    assert any("batch: 65 is not between 1 and 64 messages" in line for line in lines)
    assert any(
        "MAS_START_SERVCE: no setting has this name (did you mean MAS_START_SERVICE?)" in line
        for line in lines
    )


def test_two_agents_may_not_share_an_id(loading):
    error = refused(loading, AGENTS.replace("agent_id: greeter", "agent_id: echo"))
    assert error.problem == "echo is already agents[0]"
    assert error.hint == "for several of one kind use instances: N"


@pytest.mark.parametrize("name", ["base", "sources", "origins", "warnings"])
def test_what_loading_fills_in_cannot_be_written(loading, name):
    assert refused(loading, f"{name}: x\n").problem == "unknown key"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("instances", "0"),
        ("instances", "1.5"),
        ("instances", "true"),
        ("instances", "'2'"),
        ("concurrency", "1025"),
        ("max_restarts", "-1"),
        ("within", ".inf"),
        ("shutdown", ".nan"),
        ("start_timeout", "soon"),
        ("start_timeout", "1" + "0" * 400),
        ("restart", "always"),
        ("init_kwargs", "[1]"),
        ("init_kwargs", "{not-a-name: 1}"),
        ("init_kwargs", "{class: 1}"),
        ("agent_id", "'*'"),
        ("agent_id", "7"),
        ("agent_id", "''"),
        ("agent_id", "'a b'"),
        ("agent_id", "а"),
        ("class_path", "my_agents.EchoAgent"),
        ("class_path", "'my agents:Echo'"),
        ("class_path", "'os;x:Echo'"),
        ("class_path", "'m:'"),
        ("class_path", "../m:A"),
    ],
)
def test_a_value_out_of_type_or_bounds_is_refused_by_its_key(loading, key, value):
    spec = {"agent_id": "a", "class_path": "m:A", key: value}
    text = "agents:\n  - " + "\n    ".join(f"{name}: {content}" for name, content in spec.items())
    error = refused(loading, text)
    assert f"agents[0].{key}" in error.where


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_a_restart_policy_is_one_of_three(loading, restart):
    assert loading(f"{AGENTS}    restart: {restart}\n").agents[1].restart == restart


@pytest.mark.parametrize(
    "line",
    [
        "namespace: 'a:b'",
        "shutdown_grace: -1",
        "agents: echo",
        "agents: {a: b}",
        "agents: [echo]",
        "permissions: {type: allow}",
        "gateway: 3",
        "gateway: {redis: [1]}",
        "data_dir: 3",
        "data_dir: ''",
        "1: 2",
        "gateway: {1: 2}",
    ],
)
def test_a_wrong_shape_is_refused_with_its_line(loading, line):
    assert "agents.yaml" in refused(loading, f"{line}\n").where


def test_what_contradicts_itself_within_a_section_is_refused(loading):
    error = refused(loading, gateway="delivery: {backoff_first: 60}\n")
    assert error.problem == "backoff_first (60 s) is longer than backoff_cap (30 s)"
    assert error.where.endswith("gateway.yaml:1: delivery")


def test_limits_may_differ_by_agent(loading):
    loaded = loading(gateway="rate_limit: {overrides: {echo: {burst: 3}, elsewhere: {per_hour: 1}}}\n")
    assert loaded.gateway.rate_limit.overrides[AgentId("echo")].burst == 3
    assert len(loaded.warnings) == 1
    assert "elsewhere" in loaded.warnings[0]
    error = refused(loading, gateway="rate_limit: {overrides: {'a:b': {burst: 3}}}\n")
    assert "rate_limit.overrides.a:b" in error.where


def test_keys_of_earlier_releases_are_accepted(loading):
    loaded = loading(
        gateway="redis: {url: 'redis://localhost:6379', decode_responses: true, socket_timeout: null}\n"
        "message_signing: {max_timestamp_drift: 60, nonce_ttl: 300}\n"
    )
    assert loaded.gateway.message_signing.max_drift == 60.0
    assert loaded.gateway.redis.response_timeout == 10.0
    assert [warning.split(": ")[1] for warning in loaded.warnings] == [
        "redis.decode_responses",
        "message_signing.nonce_ttl",
    ]


def test_two_spellings_of_one_key_are_refused(loading):
    error = refused(loading, gateway="message_signing: {max_timestamp_drift: 60, max_drift: 60}\n")
    assert "mean the same" in error.problem


def test_registry_and_gateway_share_one_redis(loading):
    both = "service_redis_url: redis://localhost:6379\n"
    assert loading(both, "redis: {url: 'redis://localhost:6379'}\n").redis_url is not None
    assert "share one Redis" in refused(loading, both, "redis: {url: 'redis://localhost:6380'}\n").problem


@pytest.mark.parametrize("url", ["redis://example.test:6379", "redis+sentinel://127.0.0.1,example.test/main"])
def test_plaintext_to_another_machine_needs_a_word_of_consent(loading, url):
    agents = f"service_redis_url: {url}\n"
    assert "without TLS" in refused(loading, agents).problem
    assert loading(agents, "redis: {allow_plaintext: true}\n").redis_url is not None


def test_no_message_chains_an_error_that_quotes_the_file(loading):
    error = refused(loading, "service_redis_url: 'redis://:canary@localhost\n")
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "canary" not in str(error)


@pytest.mark.parametrize(
    "value", ["ftp://:canary@host", "[canary]", "'redis://:can#ary@host'", "{canary: 1}"]
)
def test_a_secret_written_wrongly_is_not_quoted(loading, value):
    error = refused(loading, f"service_redis_url: {value}\n")
    assert "can" not in str(error).replace("cannot", "").replace("percent", "")


def test_no_repr_of_settings_shows_a_secret(loading):
    agents = AGENTS.replace("capabilities: [echo]", "key: canary")
    loaded = loading(f"service_redis_url: redis://user:canary@localhost\n{agents}")
    assert "canary" not in repr(loaded)
    assert "canary" not in str(loaded)
    assert loaded.redis_url is not None
    assert "canary" in loaded.redis_url.reveal()


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_keys = st.sampled_from(
    [
        "agents",
        "permissions",
        "agent_id",
        "class_path",
        "type",
        "from",
        "to",
        "gateway",
        "redis",
        "url",
        "delivery",
    ]
) | st.text(max_size=5)
_garbage = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys | _scalars, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(_keys, _garbage, max_size=5))
@settings(max_examples=200)
def test_garbage_in_a_mapping_raises_nothing_but_a_configuration_error(mapping):
    with suppress(ConfigurationError):
        load(mapping, environ={}, start=Path("/nonexistent"))


@given(st.dictionaries(_keys, _garbage, max_size=5).map(yaml.safe_dump) | st.text() | st.binary())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_in_a_file_raises_nothing_but_a_configuration_error(project, content):
    write(project / "agents.yaml", content)
    with suppress(ConfigurationError):
        load(project, environ={})
