"""One entry of `supervisors:` in agents.yaml."""

from typing import Annotated, Literal

from attrs import frozen

from mas.ids import AgentId
from mas.settings.fields import Members, Within, by_type

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]

DEFAULT = "agents"
"""The supervisor above all declared ones, and of every agent that none of them names."""


@frozen(kw_only=True, field_transformer=by_type)
class SupervisorSettings:
    """A supervisor over agents, named by their ids, and over other supervisors, named by their names."""

    name: AgentId
    """What it is called; no agent has this id."""

    children: Annotated[tuple[AgentId, ...], Members()]
    """Whom it keeps, in the order in which they start; they stop in the reverse order."""

    strategy: Strategy = "one_for_one"
    """Who is restarted with a child that failed: only it, all, or it and those after it."""

    max_restarts: Annotated[int, Within(0, 10_000, "restarts")] = 5
    """Restarts allowed `within` seconds, of whichever child; one more is a failure of this supervisor."""

    within: Annotated[float, Within(0.1, 86_400, "s")] = 60.0
    """The period over which restarts are counted, in seconds."""
