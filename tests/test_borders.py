"""Whatever is raised is caught only where ARCHITECTURE.md says so, and why."""

import ast
import re
from collections.abc import Iterator

from tests.house import MODULES, name_of, rows, tree_of


def listed() -> set[tuple[str, str]]:
    """Read the table: file and function; without a function the whole file is meant."""
    found = set()
    for where, why in rows("ARCHITECTURE.md", "Where anything may be caught"):
        names = re.findall(r"`([^`]+)`", where)
        assert why, f"{where} is listed without a reason"
        found.add((names[0], names[1] if len(names) > 1 else ""))
    return found


def catches_anything(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"})
        for kind in caught
    )


def raises_at_its_end(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise)


def handlers(node: ast.AST, function: str = "") -> Iterator[tuple[str, ast.ExceptHandler]]:
    """Yield the innermost function and the handler of each `except` that catches anything."""
    for child in ast.iter_child_nodes(node):
        inner = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
        if isinstance(child, ast.ExceptHandler) and catches_anything(child):
            yield inner, child
        yield from handlers(child, inner)


def standing() -> dict[tuple[str, str], ast.ExceptHandler]:
    return {
        (name_of(path), function): handler
        for path in MODULES
        for function, handler in handlers(tree_of(path))
    }


def test_anything_is_caught_only_where_the_table_says_so():
    allowed = listed()
    unlisted = [place for place in standing() if place not in allowed and (place[0], "") not in allowed]
    assert not unlisted


def test_the_table_lists_no_place_that_is_gone():
    there = standing()
    files = {file for file, _ in there}
    assert not [
        place for place in listed() if place not in there and not (place[1] == "" and place[0] in files)
    ]


def test_what_only_cleans_up_raises_again():
    cleaning = {file for file, function in listed() if not function}
    assert [h for (file, _), h in standing().items() if file in cleaning and not raises_at_its_end(h)] == []
