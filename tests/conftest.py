"""Every async test runs on asyncio and on trio, against a real server."""

import pytest

pytest_plugins = ["mas.testing.fixtures"]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each async test once per backend."""
    return str(request.param)
