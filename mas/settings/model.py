"""All settings of a system: agents.yaml, with gateway.yaml under `gateway`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from attrs import Factory, field, frozen

from mas.settings.agent import AgentSettings
from mas.settings.fields import ID_OR_EMPTY, Within, by_type
from mas.settings.fields import Path as KeyPath
from mas.settings.gateway import GatewaySettings
from mas.settings.ops import OpsSettings
from mas.settings.origin import Origin
from mas.settings.permissions import Permission
from mas.settings.redis_url import RedisUrl
from mas.settings.supervisors import SupervisorSettings

DERIVED = ("base", "sources", "origins", "warnings")
"""Fields that `load` fills in; no file may set them."""


@frozen(kw_only=True, field_transformer=by_type)
class Settings:
    """What one system is to run, and how. Relative paths begin at the file that names them."""

    agents: tuple[AgentSettings, ...] = ()
    """The agents this process runs; may be empty where only gateways run."""

    supervisors: tuple[SupervisorSettings, ...] = ()
    """How agents are supervised together; those in none are restarted each by itself."""

    permissions: tuple[Permission, ...] = ()
    """Who may talk to whom; what is not granted is refused."""

    start_service: bool = True
    """Whether this process runs the registry: enrolment, heartbeats, health and discovery."""

    start_gateway: bool = True
    """Always true: agents have no other way to talk."""

    service_redis_url: RedisUrl | None = None
    """Where Redis is, used as given. None: the URL of gateway.yaml, else the embedded server."""

    gateway_config_file: Path | None = None
    """The gateway's file; None: gateway.yaml beside agents.yaml, if it exists."""

    gateway: GatewaySettings = Factory(GatewaySettings)
    """The content of the gateway's file; may stand in agents.yaml instead."""

    namespace: Annotated[str, ID_OR_EMPTY] = ""
    """A prefix to every key, which keeps several systems in one Redis apart."""

    secret_file: Path | None = None
    """The file with the deployment's secret; None: `MAS_SECRET`, else one generated in `data_dir`."""

    data_dir: Path = Path(".mas")
    """Where the embedded server keeps its data, and a generated secret lies."""

    shutdown_grace: Annotated[float, Within(0, 3600, "s")] = 25.0
    """How long work in flight may take to finish once the system is told to stop, in seconds."""

    loop_alarm: Annotated[float, Within(0, 3600, "s")] = 1.0
    """How long code may hold up the event loop before the log names it, in seconds; 0: nobody looks."""

    ops: OpsSettings = Factory(OpsSettings)
    """Where this process shows its health, its metrics and a dashboard, if anywhere."""

    base: Path = Path()
    """The directory of agents.yaml, or the working directory; agents' modules are found there."""

    sources: tuple[Path, ...] = ()
    """The files that were read."""

    origins: Mapping[KeyPath, Origin] = field(default=Factory(dict), repr=False, eq=False)
    """Where each value that is no default was written, by its path of keys."""

    warnings: tuple[str, ...] = ()
    """What is allowed but is likely not meant."""

    @property
    def letter_archive(self) -> Path:
        """Return where archives of dead letters go: of systems that share a directory, each has its own."""
        named = self.gateway.dead_letters.archive_dir
        return (self.base / named if named else self.data_dir / "dead-letters") / self.namespace

    @property
    def redis_url(self) -> RedisUrl | None:
        """Return where Redis is, or None for the embedded server."""
        return self.service_redis_url or self.gateway.redis.url
