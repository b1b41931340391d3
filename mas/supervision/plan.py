"""What a supervisor is told when it is made."""

from collections.abc import Callable
from dataclasses import dataclass

from mas.errors import ConfigurationError
from mas.supervision.backoff import Backoff
from mas.supervision.budget import Budget
from mas.supervision.child import Child
from mas.supervision.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Plan:
    """Children in the order in which they start, and how they are kept.

    :raises ConfigurationError: if two children share a name, or are the same supervisor
    """

    name: str
    children: tuple[Child, ...]
    strategy: Strategy
    budget: Budget
    backoff: Backoff
    jitter: Callable[[], float]

    def __post_init__(self) -> None:
        seen: set[object] = set()
        for child in self.children:
            if child.name in seen:
                raise self._wrong(f"two children are called {child.name}")
            if child.nested is not None and child.nested in seen:
                raise self._wrong(f"{child.name} is a supervisor that is there already")
            seen.update((child.name, child.nested or child.name))

    def _wrong(self, problem: str) -> ConfigurationError:
        return ConfigurationError(problem, where=f"supervisor {self.name}")
