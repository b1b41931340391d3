"""`supervisors:` declares trees, and nothing but trees."""

import re
from pathlib import Path

import pytest
import yaml

from mas.errors import ConfigurationError
from mas.settings import load
from mas.settings.trees import DEEPEST

CONFIG = Path(__file__).parents[2] / "config" / "agents.yaml"


def loaded(tmp_path, *supervisors, agents=("a", "b", "c"), **options):
    data = {
        "agents": [{"agent_id": name, "class_path": "m:A"} for name in agents],
        "supervisors": list(supervisors),
        **options,
    }
    return load(data, environ={}, start=tmp_path)


def refused(tmp_path, *supervisors, **options) -> str:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, *supervisors, **options)
    return str(caught.value)


def over(name, *children, **options):
    return {"name": name, "children": list(children), **options}


def test_a_tree_of_agents_and_supervisors_loads(tmp_path):
    settings = loaded(
        tmp_path,
        over("outer", "inner", "c", strategy="rest_for_one", max_restarts=2, within=10),
        over("inner", "a", "b", strategy="one_for_all"),
    )
    outer, inner = settings.supervisors
    assert (outer.name, outer.children, outer.strategy) == ("outer", ("inner", "c"), "rest_for_one")
    assert (outer.max_restarts, outer.within) == (2, 10.0)
    assert (inner.name, inner.children, inner.strategy) == ("inner", ("a", "b"), "one_for_all")
    assert (inner.max_restarts, inner.within) == (5, 60.0)


def test_the_supervisor_shown_in_comments_loads(tmp_path):
    shown = re.findall(r"^# (supervisors:|ops:|  .*)$", CONFIG.read_text(), re.MULTILINE)
    declared = yaml.safe_load("\n".join(shown))["supervisors"]
    (supervisor,) = loaded(tmp_path, *declared, agents=("echo", "greeter")).supervisors
    assert supervisor.strategy == "rest_for_one"


@pytest.mark.parametrize(
    ("supervisors", "path", "problem"),
    [
        ([over("x", "a"), over("x", "b")], "supervisors[1].name", "already supervisors[0]"),
        ([over("a", "b")], "supervisors[0].name", "the id of an agent"),
        ([over("agents", "b")], "supervisors[0].name", "always there"),
        ([over("x", "a", "nobody")], "supervisors[0].children[1]", "no agent and no supervisor"),
        ([over("x", "a"), over("y", "a")], "supervisors[1].children[0]", "already a child of x"),
        ([over("x", "z"), over("y", "z"), over("z", "a")], "supervisors[1].children[0]", "already a child"),
        ([over("x", "a", "a")], "supervisors[0].children", "listed twice"),
        ([over("x")], "supervisors[0].children", "at least 1 needed"),
        ([over("x", "x")], "supervisors[0].children[0]", "x in x: nobody"),
        ([over("x", "y"), over("y", "x")], "supervisors[1].children[0]", "x in y in x"),
        ([over("x", "a", strategy="one_for_two")], "supervisors[0].strategy", "one_for_one"),
        ([over("x", "a", strategy="pool")], "supervisors[0].strategy", "expected one of"),
        ([over("x", "a", max_restarts=-1)], "supervisors[0].max_restarts", "between 0 and 10,000"),
        ([over("x", "a", max_restarts=10**9)], "supervisors[0].max_restarts", "between 0 and 10,000"),
        ([over("x", "a", within=0)], "supervisors[0].within", "between 0.1 and 86,400"),
        ([over("x", "a", within=float("nan"))], "supervisors[0].within", "between 0.1 and 86,400"),
        ([over("x:y", "a")], "supervisors[0].name", "not a valid id"),
        ([over("x", "a", childs=[])], "supervisors[0].childs", "unknown key"),
        ([{"name": "x"}], "supervisors[0]", "'children' is missing"),
        ("x", "supervisors", "expected a list"),
    ],
)
def test_what_is_no_tree_is_refused_with_its_key(tmp_path, supervisors, path, problem):
    said = refused(tmp_path, supervisors=supervisors)
    assert f"{path}: " in said
    assert problem in said


def test_an_unknown_child_that_is_nearly_known_is_suggested(tmp_path):
    assert "did you mean greeter?" in refused(tmp_path, over("x", "greter"), agents=("greeter", "echo"))


def test_a_circle_is_told_once_and_who_hangs_below_it_is_not(tmp_path):
    said = refused(tmp_path, over("x", "y"), over("y", "z", "w"), over("z", "x"), over("w", "a"))
    assert said.count("nobody can stand under itself") == 1


def test_supervisors_stand_no_deeper_than_any_tree_needs(tmp_path):
    chain = [over(f"s{i}", f"s{i + 1}") for i in range(DEEPEST)]
    loaded(tmp_path, *chain[: DEEPEST - 1], over(f"s{DEEPEST - 1}", "a"))
    assert "levels deep" in refused(tmp_path, *chain, over(f"s{DEEPEST}", "a"))


def test_an_agent_may_not_be_called_as_an_instance_of_another_is(tmp_path):
    agents = [
        {"agent_id": "a", "class_path": "m:A", "instances": 2},
        {"agent_id": "a-2", "class_path": "m:A"},
    ]
    with pytest.raises(ConfigurationError, match=r"agents\[1\].agent_id: a-2 is what an instance"):
        load({"agents": agents}, environ={}, start=tmp_path)


@pytest.mark.parametrize("value", [object(), {1: 2}, (1, 2), float("nan"), b"canary", {"canary"}])
def test_arguments_that_cannot_travel_are_refused_for_an_agent_of_its_own_process(tmp_path, value):
    agent = {"agent_id": "a", "class_path": "m:A", "init_kwargs": {"x": value}}
    load({"agents": [agent]}, environ={}, start=tmp_path)
    with pytest.raises(ConfigurationError, match=r"agents\[0\].init_kwargs: holds more than") as caught:
        load({"agents": [{**agent, "process": True}]}, environ={}, start=tmp_path)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(("written", "seconds"), [("12.5", 12.5), ("0", 0.0), ("null", None)])
def test_an_agents_time_to_stop_is_seconds_now_or_never(tmp_path, written, seconds):
    path = tmp_path / "agents.yaml"
    path.write_text(f"agents: [{{agent_id: a, class_path: 'm:A', shutdown: {written}}}]")
    assert load(path, environ={}).agents[0].shutdown == seconds


def test_plain_arguments_travel(tmp_path):
    kwargs = {"words": ["a", "ä"], "limit": 1.5, "deep": {"none": None, "yes": True}}
    agent = {"agent_id": "a", "class_path": "m:A", "process": True, "init_kwargs": kwargs}
    assert load({"agents": [agent]}, environ={}, start=tmp_path).agents[0].init_kwargs == kwargs
