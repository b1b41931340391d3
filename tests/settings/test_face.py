import ast
from pathlib import Path

import attrs
import pytest

import mas.settings
from mas.settings import GatewaySettings, Settings, Within
from mas.settings.fields import unwrapped

PACKAGE = Path(mas.settings.__file__).parent


def test_all_is_sorted_and_exact():
    assert mas.settings.__all__ == sorted(mas.settings.__all__, key=lambda name: (name[0].islower(), name))
    public = {
        name
        for name, value in vars(mas.settings).items()
        if getattr(value, "__module__", "").startswith("mas.")
    }
    assert public | {"Permission"} == set(mas.settings.__all__)


def numbers(cls=Settings):
    for field in attrs.fields(cls):
        bare, rules = unwrapped(field.type)
        if attrs.has(bare):
            yield from numbers(bare)
        elif bare in {int, float}:
            yield pytest.param(rules, id=f"{cls.__name__}.{field.name}")


@pytest.mark.parametrize(
    "rules", [*numbers(), *numbers(mas.settings.AgentSettings), *numbers(mas.settings.RateOverride)]
)
def test_every_number_has_bounds_and_a_unit(rules):
    (within,) = [rule for rule in rules if isinstance(rule, Within)]
    assert within.unit
    assert within.least < within.most


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_every_field_of_a_section_says_what_it_is(path):
    tree = ast.parse(path.read_text())
    for cls in [
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("Settings")
    ]:
        if cls.name == GatewaySettings.__name__:
            continue
        for before, after in zip(cls.body, [*cls.body[1:], None], strict=True):
            if isinstance(before, ast.AnnAssign):
                assert isinstance(after, ast.Expr), (
                    f"{cls.name}.{ast.unparse(before.target)} has no docstring"
                )
