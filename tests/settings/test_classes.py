import sys

import pytest

from mas.errors import ConfigurationError
from mas.ids import AgentId
from mas.settings import AgentSettings, resolve_class

from .conftest import write


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module of its own name beside agents.yaml; leave no trace in this process."""
    name = f"made_for_{tmp_path.name}".replace("-", "_").replace("[", "_").replace("]", "_")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def made(text: str) -> str:
        write(tmp_path / f"{name}.py", text)
        return name

    yield made
    sys.modules.pop(name, None)


def resolved(class_path, search, base: type = object):
    return resolve_class(
        AgentSettings(agent_id=AgentId("echo"), class_path=class_path), search=search, base=base
    )


def refused(class_path, search, base: type = object) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        resolved(class_path, search, base)
    assert caught.value.where == f"agent echo, class_path {class_path}"
    return caught.value


def test_a_class_beside_agents_yaml_is_imported(module, tmp_path):
    name = module("class Echo(dict):\n    class Inner(dict): ...\n")
    found = resolved(f"{name}:Echo", tmp_path, dict)
    assert found.__name__ == "Echo"
    assert issubclass(found, dict)
    assert resolved(f"{name}:Echo.Inner", tmp_path, dict).__name__ == "Inner"
    assert sys.path.count(str(tmp_path)) == 1


def test_a_missing_module_is_named_with_its_neighbours(module, tmp_path):
    name = module("")
    assert refused(f"{name}x:Echo", tmp_path).hint == f"did you mean {name}?"
    error = refused("nowhere_at_all:Echo", tmp_path)
    assert error.problem == "there is no module nowhere_at_all"
    assert error.hint == f"put nowhere_at_all.py into {tmp_path}, or install it"
    assert "there is no module nowhere_at_all" in refused("nowhere_at_all.inner:Echo", tmp_path).problem


def test_a_module_that_needs_another_says_which(module, tmp_path):
    name = module("import nowhere_at_all\n")
    error = refused(f"{name}:Echo", tmp_path)
    assert error.problem == f"module {name} needs nowhere_at_all, which is not installed"
    assert isinstance(error.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("1 / 0", ZeroDivisionError),
        ("raise SystemExit(3)", SystemExit),
        ("def", SyntaxError),
        ("from os import x", ImportError),
    ],
)
def test_an_error_while_importing_is_kept_as_the_cause(module, tmp_path, text, cause):
    name = module(text)
    error = refused(f"{name}:Echo", tmp_path)
    assert error.problem == f"module {name} raised {cause.__name__} while imported"
    assert isinstance(error.__cause__, cause)


def test_a_missing_class_is_told_its_nearest(module, tmp_path):
    name = module("class EchoAgent: ...\n")
    error = refused(f"{name}:EchoAgnt", tmp_path)
    assert (error.problem, error.hint) == (f"module {name} has no EchoAgnt", "did you mean EchoAgent?")


def test_what_is_no_class_is_refused(module, tmp_path):
    name = module("def echo(): ...\nfive = 5\n")
    assert refused(f"{name}:echo", tmp_path).problem == "echo is not a class but of type function"
    assert "has no x" in refused(f"{name}:five.x", tmp_path).problem


def test_a_class_of_another_family_is_refused(module, tmp_path):
    name = module("class Echo: ...\n")
    error = refused(f"{name}:Echo", tmp_path, dict)
    assert error.problem == "Echo is not a subclass of dict"
