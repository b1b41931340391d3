"""Every async test runs on asyncio and on trio, against a real server."""

import pytest

pytest_plugins = ["mas.testing.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let one backend be chosen."""
    parser.addoption("--backend", choices=["asyncio", "trio"], help="run async tests on this backend only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the async tests of the backend that was not chosen."""
    chosen = config.getoption("--backend")
    if chosen is None:
        return

    def other(item: pytest.Item) -> bool:
        call = getattr(item, "callspec", None)
        return call is not None and call.params.get("anyio_backend", chosen) != chosen

    config.hook.pytest_deselected(items=[item for item in items if other(item)])
    items[:] = [item for item in items if not other(item)]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each async test once per backend."""
    return str(request.param)
