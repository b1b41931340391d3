"""Where each agent stands: under the supervisors that are declared, else under the one always there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mas.ids import AgentId
from mas.settings import SupervisorSettings
from mas.settings.supervisors import DEFAULT
from mas.supervision import Budget, Child, Strategy, Supervisor
from mas.system.seat import Seat, Surroundings

_BUDGET = Budget(max_restarts=5, within=60.0)


class AgentTree:
    """The supervisor of all agents of a process.

    Declared supervisors come first, in their order, then the agents in none of them.

    :param declared: trees, as the settings' checks leave them
    :param seats: by agent, its instances
    :ivar seats: each seat by its path from below the root
    """

    def __init__(
        self,
        declared: Iterable[SupervisorSettings],
        seats: Mapping[AgentId, Sequence[Seat]],
        around: Surroundings,
    ) -> None:
        self.seats: dict[str, Seat] = {}
        self._declared = {supervisor.name: supervisor for supervisor in declared}
        self._instances, self._around = seats, around
        placed = {child for supervisor in self._declared.values() for child in supervisor.children}
        loose = [name for name in (*self._declared, *seats) if name not in placed]
        self.supervisor = Supervisor(DEFAULT, self._children(loose, DEFAULT, None), budget=_BUDGET)

    def _children(
        self, names: Iterable[AgentId], path: str, under: SupervisorSettings | None
    ) -> Iterator[Child]:
        for name in names:
            if (supervisor := self._declared.get(name)) is not None:
                yield Child(name, self._supervisor(supervisor, f"{path}/{name}"))
                continue
            for seat in self._instances[name]:
                self.seats[f"{path}/{seat.name}"] = seat
                yield seat.child(self._around, under)

    def _supervisor(self, settings: SupervisorSettings, path: str) -> Supervisor:
        return Supervisor(
            settings.name,
            self._children(settings.children, path, settings),
            strategy=Strategy(settings.strategy),
            budget=Budget(settings.max_restarts, settings.within),
        )
