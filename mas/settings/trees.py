"""What must hold between supervisors for them to be trees: each child known, and in one place."""

from collections.abc import Iterator, Mapping

from mas.ids import AgentId
from mas.settings.agent import AgentSettings
from mas.settings.fields import Path, nearest
from mas.settings.misfit import Problem
from mas.settings.supervisors import DEFAULT, SupervisorSettings

DEEPEST = 32
"""Supervisors within one another at most."""


def problems(
    supervisors: tuple[SupervisorSettings, ...], agents: tuple[AgentSettings, ...]
) -> Iterator[Problem]:
    """Yield what keeps the declarations from being trees."""
    known = {agent.agent_id for agent in agents}
    places: dict[AgentId, int] = {}
    for place, supervisor in enumerate(supervisors):
        if clash := _taken(supervisor.name, known, places):
            yield Problem(("supervisors", place, "name"), clash)
        places.setdefault(supervisor.name, place)
    above: dict[AgentId, tuple[int, Path]] = {}
    for place, supervisor in enumerate(supervisors):
        for number, child in enumerate(supervisor.children):
            path: Path = ("supervisors", place, "children", number)
            if child not in known and child not in places:
                text = f"there is no agent and no supervisor called {child}"
                yield Problem(path, text, nearest(child, [*known, *places]))
            elif child in above:
                holder = supervisors[above[child][0]].name
                yield Problem(path, f"{child} is already a child of {holder}", "name it once")
            else:
                above[child] = place, path
    parents = {child: supervisors[place].name for child, (place, _) in above.items()}
    for place, supervisor in enumerate(supervisors):
        if places[supervisor.name] == place:
            yield from _too_long(supervisor.name, parents, places, above)


def _taken(name: AgentId, agents: set[AgentId], places: Mapping[AgentId, int]) -> str:
    if name in places:
        return f"{name} is already supervisors[{places[name]}]"
    if name in agents:
        return f"{name} is the id of an agent"
    return f"{name} is the supervisor that is always there" if name == DEFAULT else ""


def _too_long(
    name: AgentId,
    parents: Mapping[AgentId, AgentId],
    places: Mapping[AgentId, int],
    above: Mapping[AgentId, tuple[int, Path]],
) -> Iterator[Problem]:
    """Follow the line upward; a circle is told by its first member only."""
    line = [name]
    while (parent := parents.get(line[-1])) is not None:
        line.append(parent)
        if parent == name:
            if places[name] == min(places[member] for member in line):
                circle = " in ".join(line)
                yield Problem(above[name][1], f"{circle}: nobody can stand under itself")
            return
        if parent in line[:-1]:
            return
    if len(line) == DEEPEST + 1:
        yield Problem(above[name][1], f"{name} stands more than {DEEPEST} levels deep")
