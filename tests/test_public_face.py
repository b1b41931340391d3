"""The public face: what `mas` exports is what it says, sorted and documented."""

import ast
import importlib
import inspect
import re
from importlib import resources

import pytest

import mas
import mas.errors
from tests.house import MODULES, ROOT, name_of, tree_of

PACKAGES = [path for path in MODULES if path.name == "__init__.py"]


def imported_names(path):
    """Return what a package takes from its own modules, without names for itself alone."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mas"):
            found |= {alias.asname or alias.name for alias in node.names}
    return {name for name in found if not name.startswith("_")}


def test_all_is_exactly_what_is_imported():
    assert set(mas.__all__) == imported_names(ROOT / "mas/__init__.py")


@pytest.mark.parametrize("path", PACKAGES, ids=name_of)
def test_every_all_is_sorted_and_exists(path):
    package = importlib.import_module(".".join(path.parent.relative_to(ROOT).parts))
    exported = getattr(package, "__all__", [])
    # As ruff sorts them: constants, then classes, then the rest.
    assert exported == sorted(exported, key=lambda n: (0 if n.isupper() else 1 if n[0].isupper() else 2, n))
    assert len(set(exported)) == len(exported)
    for name in exported:
        getattr(package, name)


@pytest.mark.parametrize("name", mas.__all__)
def test_everything_exported_is_documented(name):
    thing = getattr(mas, name)
    assert inspect.getdoc(thing)
    if not inspect.isclass(thing):
        return
    for member, value in vars(thing).items():
        if inspect.isfunction(value) and not member.startswith("_"):
            assert value.__doc__, f"{name}.{member}"


def test_every_error_is_exported_and_drawn_in_the_tree():
    errors = {
        name: cls
        for name, cls in vars(mas.errors).items()
        if inspect.isclass(cls) and issubclass(cls, mas.MasError)
    }
    assert errors.keys() <= set(mas.__all__)
    assert mas.errors.__doc__ is not None
    entries = re.findall(r"^([│├└─ ]*)(\w+)(?: {2}|$)", mas.errors.__doc__, re.MULTILINE)
    drawn = [(len(lines) // 4, name) for lines, name in entries]
    assert sorted(name for _, name in drawn) == sorted(errors)
    branch: list[str] = []
    for depth, name in drawn:
        branch[depth:] = [name]
        if depth:
            assert issubclass(errors[name], errors[branch[depth - 1]]), f"{name} is drawn under {branch[-2]}"


def test_the_face_opens_with_a_map_of_what_stands():
    assert mas.__doc__ is not None
    drawn = set(
        re.findall(r"\b[a-z]+\b", "\n".join(re.findall(r"^    (.+?) {2,}", mas.__doc__, re.MULTILINE)))
    )
    standing = {path.relative_to(ROOT / "mas").parts[0].removesuffix(".py") for path in MODULES}
    assert drawn == standing - {"__init__", "__main__"}


def test_types_are_shipped():
    assert resources.files(mas).joinpath("py.typed").is_file()
