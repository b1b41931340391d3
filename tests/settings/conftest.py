"""A project directory that a test fills with files."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mas.settings import Settings, load

AGENTS = """\
start_service: true
permissions:
  - type: allow_bidirectional
    agents: [echo, greeter]
agents:
  - agent_id: echo
    class_path: my_agents:EchoAgent
    init_kwargs:
      capabilities: [echo]
  - agent_id: greeter
    class_path: my_agents:GreeterAgent
"""

Loading = Callable[..., Settings]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with the agents.yaml of the Quick Start."""
    directory = tmp_path / "project"
    directory.mkdir(mode=0o755)
    write(directory / "agents.yaml", AGENTS)
    return directory


def write(path: Path, text: str | bytes, mode: int = 0o644) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


@pytest.fixture
def loading(project: Path) -> Loading:
    """Load a project from texts: `loading(agents, gateway, environ)`."""

    def loaded(
        agents: str = AGENTS, gateway: str | None = None, environ: Mapping[str, str] | None = None
    ) -> Settings:
        write(project / "agents.yaml", agents)
        if gateway is not None:
            write(project / "gateway.yaml", gateway)
        return load(start=project, environ=environ or {})

    return loaded
