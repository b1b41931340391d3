"""The files under config/ say what is true."""

import re
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml

from mas.ids import AgentId
from mas.settings import AgentSettings, GatewaySettings, Within, load
from mas.settings.fields import keys_of, unwrapped
from mas.settings.permissions import KINDS

CONFIG = Path(__file__).parents[2] / "config"
EXAMPLE = CONFIG / "gateway.yaml.example"


def leaves(instance: Any, path: tuple[str, ...] = ()):
    for field in attrs.fields(type(instance)):
        key, value = keys_of(field)[0], getattr(instance, field.name)
        if attrs.has(type(value)):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value, unwrapped(field.type)[1]


LEAVES = list(leaves(GatewaySettings()))


def test_agents_and_gateway_yaml_parse_as_they_ship():
    loaded = load(CONFIG / "agents.yaml", environ={})
    assert [agent.agent_id for agent in loaded.agents] == ["echo", "greeter"]
    assert loaded.gateway.rate_limit.per_minute == 600
    assert loaded.warnings == ()


def test_the_permissions_shown_in_comments_parse_and_show_every_kind(tmp_path):
    shown = re.findall(r"^  # (- .*|  .*)$", (CONFIG / "agents.yaml").read_text(), re.MULTILINE)
    permissions = yaml.safe_load("\n".join(shown))
    loaded = load({"permissions": permissions}, environ={}, start=tmp_path)
    assert {kind.type for kind in loaded.permissions} == set(KINDS) - {"allow_bidirectional"}


def test_the_supervision_shown_in_comments_is_the_default(tmp_path):
    shown = re.findall(r"^    # (\w+: \S+) +#", (CONFIG / "agents.yaml").read_text(), re.MULTILINE)
    options = yaml.safe_load("\n".join(shown))
    agent = AgentSettings(agent_id=AgentId("a"), class_path="m:A")
    fields = {field.name for field in attrs.fields(AgentSettings)}
    assert set(options) == fields - {"agent_id", "class_path", "instances", "init_kwargs"}
    assert options == {name: getattr(agent, name) for name in options}


@pytest.mark.parametrize(("path", "default", "rules"), LEAVES, ids=[".".join(path) for path, _, _ in LEAVES])
def test_the_example_lists_the_key_with_its_true_default_unit_and_bounds(path, default, rules):
    found: Any = yaml.safe_load(EXAMPLE.read_text())
    for key in path:
        assert key in found
        found = found[key]
    assert found == (list(default) if isinstance(default, tuple) else default)
    line = next(line for line in EXAMPLE.read_text().split("\n") if line.strip().startswith(f"{path[-1]}:"))
    for rule in rules:
        if isinstance(rule, Within):
            assert f"# {rule.unit}, {rule.least:,.15g} to {rule.most:,.15g}" in line


def test_the_example_lists_no_other_key_and_changes_nothing(tmp_path):
    (tmp_path / "agents.yaml").write_text("")
    (tmp_path / "gateway.yaml").write_text(EXAMPLE.read_text())
    assert load(tmp_path, environ={}).gateway == GatewaySettings()
