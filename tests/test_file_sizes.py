"""Files stay small: a ratchet, which may be tightened and never loosened."""

from statistics import median

import pytest

from tests.house import MODULES, name_of

MOST = 400
MEDIAN = 120


def lines(path):
    return len(path.read_text().splitlines())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_long(path):
    assert lines(path) <= MOST


def test_most_modules_are_short(record_property):
    middle = median(lines(path) for path in MODULES if path.name != "__init__.py")
    record_property("median_lines", middle)
    assert middle <= MEDIAN


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_a_drawer(path):
    assert path.stem not in {"utils", "util", "helpers", "common", "misc", "manager", "base", "core"}
