"""What tests of the house itself ask: its modules, and the tables of ARCHITECTURE.md."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "mas").rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a module's path below `mas`, which is how documents name it."""
    return path.relative_to(ROOT / "mas").as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def section(document: str, heading: str) -> str:
    """Return the text under a heading, down to the next one of the same or a higher rank."""
    text = (ROOT / document).read_text()
    found = re.search(rf"^(#+) {re.escape(heading)}$(.*?)(?=^#{{1,2}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{document} has no section {heading!r}"
    return found[2]


def rows(document: str, heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its head."""
    lines = [line for line in section(document, heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
