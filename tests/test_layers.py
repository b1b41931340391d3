"""The import floors, as ARCHITECTURE.md draws them, hold for every import, type-checking ones included."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mas as face
from tests.house import MODULES, ROOT, name_of, section, tree_of

FACE = {"__init__", "__main__"}
"""The face and its command see the whole house; nobody on the floors below the last looks up at them."""

LAST = 8
"""Whoever stands here uses the house as anyone outside does, and may do so through the face."""


def floors() -> dict[str, int]:
    """Read the map: each top-level module or package, and its floor."""
    found: dict[str, int] = {}
    floor = -1
    for line in section("ARCHITECTURE.md", "The map of the house").splitlines():
        if heading := re.match(r"  # floor (\d+):", line):
            floor = int(heading[1])
        elif entry := re.match(r"  (\w+)(?:\.py|/) ", line):
            assert entry[1] not in found, f"{entry[1]} stands on the map twice"
            found[entry[1]] = floor
    return found


FLOORS = floors()


def top(path: Path) -> str:
    return path.relative_to(ROOT / "mas").parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the dotted name of everything of `mas` that a module imports, wherever it does."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: imports are absolute"
            assert node.module is not None
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def house_imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the top-level name of everything that a module imports from the house."""
    for line, name in imports(path):
        first, _, rest = name.partition(".")
        if first == "mas":
            yield line, rest.split(".")[0]


def test_every_module_has_a_floor():
    standing = {top(path) for path in MODULES} - FACE
    assert standing == FLOORS.keys()


def test_the_floors_are_numbered_from_the_ground():
    assert list(FLOORS.values()) == sorted(FLOORS.values())
    assert set(FLOORS.values()) == set(range(LAST + 1))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_lead_downward(path):
    here = top(path)
    if here in FACE:
        return
    for line, there in house_imports(path):
        if FLOORS[here] == LAST and there not in FLOORS:
            assert there in face.__all__, f"{name_of(path)}:{line} imports {there}"
            continue
        assert there in FLOORS, f"{name_of(path)}:{line} imports the face of the house ({there})"
        same_room = there == here or FLOORS[here] == FLOORS[there] == 0
        assert same_room or FLOORS[there] < FLOORS[here], (
            f"{name_of(path)}:{line}: {here} (floor {FLOORS[here]}) imports {there} (floor {FLOORS[there]})"
        )


def test_no_package_imports_another_in_a_circle():
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        below = {there for _, there in house_imports(path)}
        graph.setdefault(top(path), set()).update(below - {top(path)})
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nobody_imports_asyncio(path):
    if name_of(path) == "clock.py":
        return  # the clock that tests turn by hand must see whether asyncio's queue has run dry
    assert not [name for _, name in imports(path) if name.split(".")[0] == "asyncio"]


@pytest.mark.parametrize("path", [p for p in MODULES if top(p) == "supervision"], ids=name_of)
def test_supervision_could_ship_alone(path):
    assert {there for _, there in house_imports(path)} <= {"supervision", "clock", "errors"}
