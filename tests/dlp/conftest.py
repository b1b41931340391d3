"""One scanner for all: compiling its rules is the slow part."""

import pytest

from mas.dlp import Scanner


@pytest.fixture(scope="session")
def scanner() -> Scanner:
    return Scanner(key=b"a key that only tests use")
