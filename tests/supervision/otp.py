"""What Erlang's supervisors would do: plain objects, no tasks, no time but a number.

Written from the rules of OTP's `supervisor`, not from ours. Four things go beyond them, since ours do: a
child may have a budget of its own; a supervisor whose budget is spent has failed, where Erlang's exits as if
it had been shut down, so that a transient one comes back here; whoever was stopped on request is not revived
with its group; a temporary child that ended is forgotten only in a pool, so that it can be asked for, which
starts it once.
"""

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mas.supervision import Budget, Restart, Strategy


@dataclass(eq=False)
class World:
    """A tree and what happens to it.

    :ivar log: each start "+a", failed start "?a" and stop "-a", in order; a tuple where the order is nobody's
    :ivar told: what became of whom, by path: how often
    """

    root: "Tree"
    now: float = 0.0
    log: list[str | tuple[str, ...]] = field(default_factory=list)
    told: Counter[tuple[str, str]] = field(default_factory=Counter)

    def tell(self, what: str, node: "Node") -> None:
        self.told[what, node.path] += 1

    def node(self, path: str) -> "Node":
        return next(node for node in self.root.walk() if node.path == path)

    def unheard(self) -> list["Node"]:
        """Return who died and whose supervisor, which runs, has not heard of it yet."""
        return [node for node in self.root.walk() if node.exited and node.above is not None and node.above.up]

    def outcomes(self) -> Iterator["World"]:
        """Yield what may become of it: supervisors may hear of deaths in any order, each of its children's.

        This world is one of them.
        """
        unheard = [node.path for node in self.unheard()]
        if not unheard:
            yield self
        for path in unheard:
            world = copy.deepcopy(self) if len(unheard) > 1 else self
            node = world.node(path)
            node.exited = False
            assert node.above is not None
            node.above.ended(node, world)
            yield from world.outcomes()


@dataclass(eq=False)
class Node:
    """A child.

    :ivar wanted: its group's restart starts it
    :ivar exited: it died, and its supervisor has not heard of it yet
    :ivar failed: it died of a failure
    """

    name: str
    restart: Restart
    own: Budget | None
    significant: bool
    above: "Tree | None" = field(default=None, repr=False)
    up: bool = False
    wanted: bool = True
    exited: bool = False
    failed: bool = False
    restarts: int = 0
    times: list[float] = field(default_factory=list)

    @property
    def path(self) -> str:
        above = self.above.path if self.above else ""
        return f"{above}/{self.name}" if above else self.name if self.above else ""

    def walk(self) -> Iterator["Node"]:
        yield self

    def fresh(self) -> None:
        self.wanted, self.exited, self.restarts, self.times = True, False, 0, []

    def start(self, world: World) -> bool:
        raise NotImplementedError

    def stop(self, world: World) -> None:
        raise NotImplementedError

    def die(self, world: World, *, failed: bool) -> None:
        """End without having been told to."""
        self.stop(world)
        self.exited, self.failed = True, failed


@dataclass(eq=False)
class Leaf(Node):
    """A worker that fails its next so many starts."""

    fails: int = 0

    def start(self, world: World) -> bool:
        if self.fails:
            self.fails -= 1
            world.log.append(f"?{self.name}")
            return False
        world.log.append(f"+{self.name}")
        self.up = True
        return True

    def stop(self, world: World) -> None:
        self.exited = False
        if self.up:
            self.up = False
            world.log.append(f"-{self.name}")


@dataclass(eq=False)
class Tree(Node):
    """A supervisor."""

    strategy: Strategy = Strategy.ONE_FOR_ONE
    budget: Budget = field(default_factory=Budget)
    declared: list[Any] = field(default_factory=list)
    children: list[Any] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        for child in self.declared:
            child.above = self

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.declared:
            yield from child.walk()

    def start(self, world: World) -> bool:
        self.spent, self.children = [], list(self.declared)
        for child in self.children:
            child.fresh()
        for child in self.children:
            if not child.start(world):
                self._stop_children(world)
                world.tell("escalated", self)
                return False
        self.up = True
        return True

    def stop(self, world: World) -> None:
        self.exited = False
        if self.up:
            self.up = False
            self._stop_children(world)

    def _stop_children(self, world: World) -> None:
        if self.strategy is Strategy.POOL:
            together = World(self)
            for child in self.children:
                child.stop(together)
            world.log.append(tuple(sorted(map(str, together.log))))
            return
        for child in reversed(self.children):
            child.stop(world)

    # ---- what a child's end leads to

    def ended(self, child: Any, world: World) -> None:
        """Hear of a child that is down, and was not told to be."""
        if child.restart is Restart.PERMANENT or (child.restart is Restart.TRANSIENT and child.failed):
            self.charge(child, world)
        elif self.strategy is Strategy.POOL:
            self.children.remove(child)

    def charge(self, failed: Any, world: World, due: Sequence[Any] = ()) -> None:
        """A child failed; restart it and whom the strategy names, if the budget allows.

        :param due: who is to be started besides, once this is settled
        """
        budget, times = (self.budget, self.spent) if failed.own is None else (failed.own, failed.times)
        times[:] = [at for at in times if at >= world.now - budget.within] + [world.now]
        if len(times) <= budget.max_restarts:
            world.tell("restarting", failed)
            group = self.group(failed)
            for child in reversed(group):
                child.stop(world)
                if child is not failed and child.restart is Restart.TEMPORARY:
                    child.wanted = False
            due = tuple(child for child in self.children if child.wanted and (child in due or child in group))
            self.bring_back(due, world)
        elif failed.own is None or failed.significant:
            world.tell("escalated", self)
            self.die(world, failed=True)
        else:
            failed.wanted = False
            world.tell("gave up", failed)
            self.bring_back(due, world)

    def bring_back(self, due: Sequence[Any], world: World) -> None:
        """Start them in order; one that fails is charged, unless it is temporary: it stays down."""
        for place, child in enumerate(due):
            child.restarts += 1
            if child.start(world):
                continue
            if child.restart is not Restart.TEMPORARY:
                self.charge(child, world, due[place + 1 :])
                return
            if self.strategy is Strategy.POOL:
                self.children.remove(child)

    def group(self, failed: Any) -> list[Any]:
        match self.strategy:
            case Strategy.ONE_FOR_ALL:
                return self.children
            case Strategy.REST_FOR_ONE:
                return self.children[self.children.index(failed) :]
            case _:
                return [failed]

    # ---- what an operator asks for

    def obey(self, order: str, child: Any, world: World) -> None:
        """Do to a child what is asked of it."""
        match order:
            case "stop":
                child.wanted = False
                child.stop(world)
            case "start" if not child.up:
                child.wanted, child.times = True, []
                child.wanted = child.start(world)
            case "restart":
                self._again([child], child, world)
            case "restart by strategy":
                group = self.group(child)
                kept = [
                    one
                    for one in group
                    if one is child or (one.wanted and one.restart is not Restart.TEMPORARY)
                ]
                self._again(kept, child, world)

    def _again(self, children: list[Any], asked: Any, world: World) -> None:
        asked.wanted = True
        for child in reversed(children):
            child.stop(world)
            child.times = []
        self.bring_back(children, world)
