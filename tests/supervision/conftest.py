"""A stage for every test."""

import pytest

from tests.supervision.stage import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()
