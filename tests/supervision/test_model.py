"""Random trees with random failures end as Erlang's rules, written down plainly, say they must."""

from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mas.supervision import Budget, Child, Restart, Snapshot, Strategy, Supervisor
from tests.supervision.stage import NO_DELAY, Stage

# ---- the reference: a tree of plain objects, no tasks, no time but a number


@dataclass
class Leaf:
    name: str
    restart: Restart
    up: bool = False
    fails: int = 0
    log: list[str] = field(default_factory=list)

    def start(self, now: float) -> bool:
        if self.fails:
            self.fails -= 1
            self.log.append(f"?{self.name}")
            return False
        self.log.append(f"+{self.name}")
        self.up = True
        return True

    def stop(self) -> None:
        if self.up:
            self.log.append(f"-{self.name}")
        self.up = False


@dataclass
class Tree:
    name: str
    restart: Restart
    strategy: Strategy
    budget: Budget
    children: list[Any]
    up: bool = False
    revivable: dict[str, bool] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    due: list[Any] = field(default_factory=list)
    above: "Tree | None" = None

    def start(self, now: float) -> bool:
        self.times, self.due = [], []
        self.revivable = {child.name: True for child in self.children}
        for child in self.children:
            if not child.start(now):
                self._stop_children()
                return False
        self.up = True
        return True

    def stop(self) -> None:
        self.up = False
        self._stop_children()

    def _stop_children(self) -> None:
        for child in reversed(self.children):
            child.stop()

    def child_ended(self, child: Any, failed: bool, now: float) -> None:
        """A child is down and was not told to be."""
        if child.restart is Restart.PERMANENT or (child.restart is Restart.TRANSIENT and failed):
            self._restart(child, now)

    def _restart(self, failed: Any, now: float) -> None:
        while failed is not None:
            self.times = [at for at in self.times if at >= now - self.budget.within] + [now]
            if len(self.times) > self.budget.max_restarts:
                self.stop()
                if self.above is not None:
                    self.above.child_ended(self, True, now)
                return
            group = self._group(failed)
            for child in reversed(group):
                child.stop()
                if child is not failed and child.restart is Restart.TEMPORARY:
                    self.revivable[child.name] = False
            pending = [child for child in group if self.revivable[child.name]]
            # What an earlier, wider restart has not brought back yet is still due after this one.
            pending += [child for child in self.due if child not in pending]
            pending.sort(key=self.children.index)
            failed = None
            for child in pending:
                if not child.start(now):
                    failed = child
                    break
            self.due = pending[pending.index(failed) :] if failed is not None else []

    def _group(self, failed: Any) -> list[Any]:
        match self.strategy:
            case Strategy.ONE_FOR_ALL:
                return self.children
            case Strategy.REST_FOR_ONE:
                return self.children[self.children.index(failed) :]
            case _:
                return [failed]


# ---- how trees and failures are drawn

STRATEGIES = [Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE]
BUDGETS = st.builds(Budget, max_restarts=st.integers(0, 3), within=st.sampled_from([5.0, 50.0]))


def _leaves(draw, names):
    return Leaf(f"w{next(names)}", draw(st.sampled_from(Restart)))


def _trees(draw, names, depth):
    number = draw(st.integers(1, 4))
    children = [
        _trees(draw, names, depth - 1) if depth and draw(st.integers(0, 2)) == 0 else _leaves(draw, names)
        for _ in range(number)
    ]
    tree = Tree(
        f"s{next(names)}",
        draw(st.sampled_from(Restart)),
        draw(st.sampled_from(STRATEGIES)),
        draw(BUDGETS),
        children,
    )
    for child in children:
        if isinstance(child, Tree):
            child.above = tree
    return tree


@st.composite
def trees(draw):
    return _trees(draw, iter(range(1000)), 2)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["crash", "crash", "leave"]),
        st.integers(0, 30),
        st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3)), max_size=2),
        st.sampled_from([0.0, 1.0, 20.0]),
    ),
    max_size=6,
)


def leaves(tree: Tree) -> list[Leaf]:
    found: list[Leaf] = []
    for child in tree.children:
        found += leaves(child) if isinstance(child, Tree) else [child]
    return found


def owner(tree: Tree, leaf: Leaf) -> Tree:
    for child in tree.children:
        if child is leaf:
            return tree
        if isinstance(child, Tree) and leaf in leaves(child):
            return owner(child, leaf)
    raise LookupError


def built(stage: Stage, tree: Tree, name: str) -> Supervisor:
    children = [
        Child(child.name, built(stage, child, child.name), restart=child.restart)
        if isinstance(child, Tree)
        else stage.child(child.name, restart=child.restart)
        for child in tree.children
    ]
    return stage.supervisor(
        *children, name=name, strategy=tree.strategy, budget=tree.budget, backoff=NO_DELAY
    )


async def compare(tree: Tree, steps) -> None:
    stage = Stage()
    log: list[str] = []
    for leaf in leaves(tree):
        leaf.log = log
    supervisor = built(stage, tree, "root")
    async with stage.open(supervisor):
        tree.start(0.0)
        for kind, chosen, fails, pause in steps:
            up = [leaf for leaf in leaves(tree) if leaf.up]
            if not up:
                break
            for index, times in fails:
                leaf = leaves(tree)[index % len(leaves(tree))]
                leaf.fails = times
                stage[leaf.name].fails_to_start = [OSError("drawn")] * times
            leaf = up[chosen % len(up)]
            getattr(stage[leaf.name], kind)()
            await stage.clock.settle()
            leaf.stop()
            owner(tree, leaf).child_ended(leaf, kind == "crash", stage.clock.monotonic())
            assert stage.journal == log
            assert stage.ended == (not tree.up)
            assert _up(supervisor.tree()) == {leaf.name for leaf in leaves(tree) if leaf.up}
            await stage.clock.advance(pause)
    assert sorted(stage.journal) == sorted(log + [f"-{leaf.name}" for leaf in leaves(tree) if leaf.up])


def _up(snapshot: Snapshot) -> set[str]:
    return {node.name for node in snapshot.walk() if node.state == "running" and node.kind == "worker"}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees(), STEPS)
def test_a_tree_does_what_erlangs_rules_say(backend, tree, steps):
    anyio.run(compare, tree, steps, backend=backend)
