"""Random trees with random failures and orders end as Erlang's rules, written down plainly, say they must."""

import copy
import logging
from collections import Counter
from contextlib import suppress
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mas.errors import SupervisionError
from mas.supervision import Budget, Child, Kind, Restart, State, Strategy, Supervisor
from mas.supervision.events import Escalated, Event, GaveUp, Restarting
from tests.supervision.otp import Leaf, Node, Tree, World
from tests.supervision.stage import NO_DELAY, Stage

TOLD: dict[type[Event], str] = {Restarting: "restarting", GaveUp: "gave up", Escalated: "escalated"}
BUDGETS = st.builds(Budget, max_restarts=st.integers(0, 3), within=st.sampled_from([5.0, 50.0]))
PLACES = st.integers(0, 30)
FAILS = st.lists(st.tuples(PLACES, st.integers(1, 3)), max_size=2)
PAUSES = st.sampled_from([0.0, 1.0, 20.0])
STEPS: st.SearchStrategy[list[Any]] = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["crash", "crash", "leave"]), PLACES, FAILS, PAUSES),
        st.tuples(st.just("crash together"), st.lists(PLACES, min_size=2, max_size=3), st.just([]), PAUSES),
        st.tuples(
            st.sampled_from(["stop", "start", "restart", "restart by strategy"]), PLACES, FAILS, PAUSES
        ),
    ),
    max_size=8,
)


def _child(draw, names, depth) -> dict[str, Any]:
    """Draw what any child has."""
    own = draw(st.one_of(st.none(), st.none(), BUDGETS))
    return {
        "name": f"{'s' if depth else 'w'}{next(names)}",
        "restart": draw(st.sampled_from(Restart)),
        "own": own,
        "significant": own is not None and draw(st.booleans()),
    }


def _tree(draw, names, depth) -> Tree:
    strategy = draw(st.sampled_from(Strategy))
    nests = depth > 1 and strategy is not Strategy.POOL
    children: list[Node] = [
        _tree(draw, names, depth - 1)
        if nests and draw(st.integers(0, 2)) == 0
        else Leaf(**_child(draw, names, 0))
        for _ in range(draw(st.integers(1, 4)))
    ]
    return Tree(**_child(draw, names, depth), strategy=strategy, budget=draw(BUDGETS), declared=children)


@st.composite
def worlds(draw):
    world = World(_tree(draw, iter(range(1000)), 3))
    for place, times in draw(st.one_of(st.just([]), st.just([]), FAILS)):
        at(world, Leaf, place).fails = times
    return world


def at(world: World, kind: type, place: int) -> Any:
    """Return one of the nodes of a kind."""
    nodes = [node for node in world.root.walk() if isinstance(node, kind)]
    return nodes[place % len(nodes)]


def reachable(world: World) -> list[Node]:
    """Return those whose supervisor runs, and knows of them."""
    return [
        node
        for node in world.root.walk()
        if (above := node.above) is not None and _runs(above) and node in above.children
    ]


def _runs(tree: Tree | None) -> bool:
    return tree is None or (tree.up and _runs(tree.above))


def alive(world: World) -> list[Leaf]:
    return [node for node in reachable(world) if isinstance(node, Leaf) and node.up]


# ---- the same tree for both, and what can be seen of either


def built(stage: Stage, tree: Tree, name: str) -> Supervisor:
    children = []
    for node in tree.declared:
        spec = {"restart": node.restart, "budget": node.own, "significant": node.significant}
        if isinstance(node, Tree):
            children.append(Child(node.name, built(stage, node, node.name), **spec))
        else:
            children.append(stage.child(node.name, **spec))
            stage[node.name].fails_to_start = [OSError("drawn")] * node.fails
    return stage.supervisor(
        *children, name=name, strategy=tree.strategy, budget=tree.budget, backoff=NO_DELAY
    )


def expected(world: World) -> dict[str, tuple[bool, int]]:
    """Return who is known, whether it is up, and how often it was restarted."""
    return {node.path: (node.up, node.restarts) for node in reachable(world)}


def actual(supervisor: Supervisor, world: World) -> dict[str, tuple[bool, int]]:
    """Return the same of the real tree; what stands below a supervisor that is down is no matter."""
    tree = supervisor.tree()
    down = [
        f"{node.path}/".removeprefix("/")
        for node in tree.walk()
        if node.kind is Kind.SUPERVISOR and node.state is not State.RUNNING
    ]
    return {
        node.path: (node.state is State.RUNNING, node.restarts)
        for node in tree.walk()
        if node.path and not any(node.path.startswith(each) for each in down)
    }


def told(stage: Stage) -> Counter[tuple[str, str]]:
    return Counter((TOLD[type(event)], event.path) for event in stage.events if type(event) in TOLD)


def in_order(journal: list[str], log: list[Any]) -> bool:
    """Say whether a journal is what the log says; what the log holds in a tuple may come in any order."""
    place = 0
    for entry in log:
        wanted = [entry] if isinstance(entry, str) else list(entry)
        if sorted(journal[place : place + len(wanted)]) != sorted(wanted):
            return False
        place += len(wanted)
    return place == len(journal)


# ---- the comparison


async def compare(world: World, steps) -> None:
    stage = Stage()
    supervisor = built(stage, world.root, "root")
    async with stage.open(supervisor):
        world.root.start(world)
        check(stage, supervisor, world)
        for kind, chosen, fails, pause in steps:
            if not world.root.up:
                break
            for place, times in fails:
                leaf = at(world, Leaf, place)
                leaf.fails = times
                stage[leaf.name].fails_to_start = [OSError("drawn")] * times
            if kind == "crash together":
                world = await crash_together(stage, supervisor, world, chosen)
            elif kind in {"crash", "leave"}:
                await one_ends(stage, world, kind, chosen)
            else:
                await order(supervisor, world, kind, chosen)
                await stage.clock.settle()
            (world,) = world.outcomes()
            check(stage, supervisor, world)
            await stage.clock.advance(pause)
            world.now = stage.clock.monotonic()
    world.root.stop(world)
    assert in_order(stage.journal, world.log)


def check(stage: Stage, supervisor: Supervisor, world: World) -> None:
    assert in_order(stage.journal, world.log), (stage.journal, world.log)
    assert stage.ended == (not world.root.up)
    assert actual(supervisor, world) == expected(world)
    assert told(stage) == world.told


async def one_ends(stage: Stage, world: World, kind: str, chosen: int) -> None:
    up = alive(world)
    if up:
        leaf = up[chosen % len(up)]
        getattr(stage[leaf.name], kind)()
        await stage.clock.settle()
        leaf.die(world, failed=kind == "crash")


async def order(supervisor: Supervisor, world: World, kind: str, chosen: int) -> None:
    nodes = reachable(world)
    node = nodes[chosen % len(nodes)] if nodes else None
    if node is None or node.above is None:
        return
    with suppress(SupervisionError):
        if kind == "restart by strategy":
            await supervisor.restart(node.path, by_strategy=True)
        else:
            await getattr(supervisor, kind)(node.path)
    node.above.obey(kind, node, world)


async def crash_together(stage: Stage, supervisor: Supervisor, world: World, chosen: list[int]) -> World:
    """Have several crash in one tick; return the world in which supervisors heard of it as they did.

    In whatever order they do, it must be one that Erlang's mailboxes could have had. What goes down with two
    of them is restarted once by ours and twice by Erlang's: who is up in the end and what it cost is what
    counts.
    """
    for leaf in (node for node in world.root.walk() if isinstance(node, Leaf)):
        leaf.fails = 0
        stage[leaf.name].fails_to_start = []
    up = alive(world)
    for leaf in {up[place % len(up)].name: up[place % len(up)] for place in chosen if up}.values():
        stage[leaf.name].crash()
        leaf.die(world, failed=True)
    await stage.clock.settle()
    for possible in world.outcomes():
        if _matches(stage, supervisor, possible):
            for node in reachable(possible):
                found = supervisor.tree().find(node.path)
                assert found is not None
                node.restarts = found.restarts
            possible.log = list(stage.journal)
            return possible
    raise AssertionError(f"nothing explains {actual(supervisor, world)}, {told(stage)}")


def _matches(stage: Stage, supervisor: Supervisor, world: World) -> bool:
    seen = {path: up for path, (up, _) in actual(supervisor, world).items()}
    return (
        seen == {path: up for path, (up, _) in expected(world).items()}
        and stage.ended == (not world.root.up)
        and told(stage) == world.told
    )


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL, "mas.supervision")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(worlds(), STEPS)
def test_a_tree_does_what_erlangs_rules_say(backend, world, steps):
    anyio.run(compare, copy.deepcopy(world), steps, backend=backend)


async def test_a_temporary_supervisor_asked_for_behind_a_sibling_given_up_is_tried_once_as_they_say():
    def leaf(name: str, own: Budget | None = None) -> Leaf:
        return Leaf(name, Restart.PERMANENT, own, significant=False)

    asked = Tree("s", Restart.TEMPORARY, None, significant=False, declared=[leaf("b"), leaf("c")])
    root = Tree(
        "root",
        Restart.PERMANENT,
        None,
        significant=False,
        strategy=Strategy.ONE_FOR_ALL,
        budget=Budget(1),
        declared=[leaf("a", Budget(0)), asked, leaf("d")],
    )
    world = World(root)
    # Places count as `at` and `reachable` do: leaves a, b, c, d; nodes a, s, b, c, d.
    await compare(world, [("restart by strategy", 1, [(0, 1), (1, 1)], 1.0)])
    assert world.log == ["+a", "+b", "+c", "+d", "-d", "-c", "-b", "-a", "?a", "?b", "+d", "-d"]
