"""Import the class that an agent's `class_path` names."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from mas.errors import ConfigurationError
from mas.settings.agent import AgentSettings
from mas.settings.fields import nearest

T = TypeVar("T")


def resolve_class(agent: AgentSettings, *, search: Path, base: type[T]) -> type[T]:
    """Return the class an agent is made of, imported with `search` in front of the module path.

    The directory stays on the path, since agents may import their neighbours later.

    :param search: the directory of agents.yaml
    :param base: what the class must be a subclass of
    :raises ConfigurationError: if the module is missing or raises, or holds no such class;
        what the module raised is the error's cause
    """
    directory = str(search.absolute())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    module_name, _, names = agent.class_path.partition(":")
    found: object = _import(module_name, agent, search)
    for name in names.split("."):
        if not hasattr(found, name):
            holder = f"module {module_name}" if isinstance(found, ModuleType) else f"{found!r}"
            classes = [
                key for key, value in getattr(found, "__dict__", {}).items() if isinstance(value, type)
            ]
            raise _refusal(agent, f"{holder} has no {name}", nearest(name, classes))
        found = getattr(found, name)
    if not isinstance(found, type):
        raise _refusal(agent, f"{names} is not a class but of type {type(found).__name__}")
    if not issubclass(found, base):
        raise _refusal(
            agent, f"{names} is not a subclass of {base.__name__}", f"class {names}({base.__name__}): ..."
        )
    return found


def _import(module_name: str, agent: AgentSettings, search: Path) -> ModuleType:
    importlib.invalidate_caches()
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise _refusal(
                agent, f"module {module_name} needs {error.name}, which is not installed"
            ) from error
        present = [file.stem for file in sorted(search.glob("*.py"))]
        hint = nearest(error.name, present)
        if not hint.startswith("did"):
            hint = f"put {error.name}.py into {search}, or install it"
        raise _refusal(agent, f"there is no module {error.name}", hint) from error
    except (Exception, SystemExit) as error:
        # A module that ends the process while it is imported is as broken as one that raises.
        raise _refusal(agent, f"module {module_name} raised {type(error).__name__} while imported") from error


def _refusal(agent: AgentSettings, problem: str, hint: str = "") -> ConfigurationError:
    return ConfigurationError(
        problem, where=f"agent {agent.agent_id}, class_path {agent.class_path}", hint=hint
    )
