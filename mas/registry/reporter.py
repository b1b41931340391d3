"""Tell the world what a supervision tree goes through: on `mas.system`, and in counts for the metrics."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from mas.ids import AgentId, InstanceId
from mas.keys import Keys
from mas.redis import Redis
from mas.registry.events import Event, Kind, encode_event
from mas.supervision import events as supervision

_LONGEST = 300
Who = tuple[AgentId, InstanceId | None]


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened since the process began, by the path of the child."""

    failures: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)
    escalations: Counter[str] = field(default_factory=Counter)
    overruns: Counter[str] = field(default_factory=Counter)


class Reporter:
    """Hears a tree's events.

    :param root: what the root is called
    :ivar agents: who stands at which path
    :ivar counts: what it heard so far
    """

    def __init__(self, redis: Redis, keys: Keys, root: str, agents: Mapping[str, Who]) -> None:
        self._redis, self._channel, self._root, self.agents = redis, keys.system, root, agents
        self._down: set[str] = set()
        self.counts = Counts()

    def hear(self, event: supervision.Event) -> None:
        """Take note of an event and pass it on; one that Redis does not get is in the log all the same."""
        path = event.path or self._root
        match event:
            case supervision.Failed():
                self.counts.failures[path] += 1
                self._down.add(path)
            case supervision.Stopped() | supervision.Finished():
                self._down.add(path)
            case supervision.Started() if path in self._down:
                self._down.discard(path)
                self.counts.restarts[path] += 1
                self._publish(Kind.RESTARTED, path, "")
            case supervision.GaveUp(error=error):
                self.counts.given_up[path] += 1
                self._publish(Kind.GIVEN_UP, path, str(error))
            case supervision.Escalated(error=error):
                self.counts.escalations[path] += 1
                self._publish(Kind.ESCALATED, path, str(error))
            case supervision.Overrun(error=error):
                self.counts.overruns[path] += 1
                self._publish(Kind.OVERRUN, path, str(error))
            case _:
                pass

    def _publish(self, kind: Kind, path: str, detail: str) -> None:
        agent, instance = self.agents.get(path, (AgentId(path.rpartition("/")[2]), None))
        event = Event(kind, agent, instance, detail[:_LONGEST])
        # Nobody waits for the answer: an event informs, and nothing depends on it.
        self._redis.post("PUBLISH", self._channel, encode_event(event))
