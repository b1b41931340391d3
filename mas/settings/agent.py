"""One entry of `agents:` in agents.yaml."""

from typing import Annotated, Any, Literal

from attrs import Factory, field, frozen

from mas.ids import AgentId
from mas.settings.fields import ClassPath, Keywords, Within, by_type

Restart = Literal["permanent", "transient", "temporary"]


@frozen(kw_only=True, field_transformer=by_type)
class AgentSettings:
    """An agent to run: its id, its class, and how it is supervised."""

    agent_id: AgentId
    """The id that others address and that permissions name."""

    class_path: Annotated[str, ClassPath()]
    """`module:ClassName`; the module may lie beside agents.yaml."""

    instances: Annotated[int, Within(1, 1000, "instances")] = 1
    """How many run, sharing the agent's messages."""

    init_kwargs: Annotated[dict[str, Any], Keywords(reserved=("agent_id",))] = field(
        default=Factory(dict), repr=lambda kwargs: f"<{', '.join(kwargs)}>" if kwargs else "{}"
    )
    """Passed to the constructor. May hold secrets, so that no repr shows the values."""

    restart: Restart = "permanent"
    """permanent: always restarted; transient: after a failure only; temporary: never."""

    max_restarts: Annotated[int, Within(0, 10_000, "restarts")] | None = None
    """Restarts allowed `within` seconds; one more, and the agent is given up. None: 5, or under a
    declared supervisor as many as that has left."""

    within: Annotated[float, Within(0.1, 86_400, "s")] | None = None
    """The period over which restarts are counted, in seconds. None: 60, or its supervisor's."""

    shutdown: Annotated[float, Within(0, 3600, "s")] | None = 5.0
    """How long the agent may take to stop before it is cancelled, in seconds. 0: it is cancelled at once.
    None: as long as it takes, but for the end of the system, which has `shutdown_grace`."""

    start_timeout: Annotated[float, Within(0.1, 3600, "s")] = 30.0
    """How long the agent may take to become ready, in seconds."""

    concurrency: Annotated[int, Within(1, 1024, "messages")] = 16
    """Messages each instance handles at once; 1 keeps their order."""

    process: bool = False
    """Whether each instance runs in an operating system process of its own."""

    @property
    def seats(self) -> tuple[str, ...]:
        """Return what its instances are called: its id, or of several, its id and a number."""
        if self.instances == 1:
            return (self.agent_id,)
        return tuple(f"{self.agent_id}-{number}" for number in range(1, self.instances + 1))
