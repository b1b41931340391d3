"""Whatever is asked at whatever moment: nobody runs twice, everybody gets an answer, all come to rest."""

from contextlib import suppress

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mas.errors import SupervisionError
from mas.supervision import Backoff, Budget, Child, State, Strategy
from mas.supervision.events import Overrun
from tests.supervision.stage import Stage

NAMES = "abcd"
UP = {State.RUNNING, State.PAUSED}
AT_REST = {*UP, State.STOPPED, State.FAILED}


class Double:
    """A child that takes its time to start and to stop, and notices when it is started beside itself."""

    def __init__(self, stage: Stage, name: str, slow: tuple[float, float]) -> None:
        self.stage, self.name = stage, name
        self.before_ready, self.before_end = slow
        self.running = 0
        self.crash = anyio.Event()
        self.refusals = 0

    async def run(self, *, task_status):
        self.running += 1
        assert self.running == 1
        self.crash = anyio.Event()
        try:
            await self.stage.clock.sleep(self.before_ready)
            if self.refusals:
                self.refusals -= 1
                raise OSError(self.name)
            task_status.started()
            await self.crash.wait()
            raise ValueError(self.name)
        finally:
            with anyio.CancelScope(shield=True):
                await self.stage.clock.sleep(self.before_end)
            self.running -= 1

    async def rest(self) -> None:
        await self.stage.clock.sleep(self.before_end)


PAUSES = st.sampled_from([0.0, 0.0, 0.0, 0.3, 1.0])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "crash",
                "crash",
                "refuse",
                "stop",
                "start",
                "restart",
                "restart_by_strategy",
                "pause",
                "resume",
                "remove_child",
                "add_child",
            ]
        ),
        st.sampled_from(NAMES),
        PAUSES,
    ),
    max_size=25,
)
SLOW = st.lists(st.tuples(PAUSES, PAUSES), min_size=len(NAMES), max_size=len(NAMES))


async def turmoil(strategy: Strategy, budget: Budget, slow, steps) -> None:
    stage, answered, asked = Stage(), 0, 0
    doubles = {name: Double(stage, name, times) for name, times in zip(NAMES, slow, strict=True)}
    children = {
        name: Child(name, double, pause=double.rest, resume=double.rest) for name, double in doubles.items()
    }
    supervisor = stage.supervisor(
        *children.values(), strategy=strategy, budget=budget, backoff=Backoff(first=0.5, cap=2.0)
    )

    async def ask(kind: str, name: str) -> None:
        nonlocal answered
        with suppress(SupervisionError):
            if kind == "restart_by_strategy":
                await supervisor.restart(name, by_strategy=True)
            else:
                await getattr(supervisor, kind)(children[name] if kind == "add_child" else name)
        answered += 1

    async with stage.open(supervisor), anyio.create_task_group() as tasks:
        for kind, name, pause in steps:
            if kind == "crash":
                doubles[name].crash.set()
            elif kind == "refuse":
                doubles[name].refusals = 1
            else:
                asked += 1
                tasks.start_soon(ask, kind, name)
            if pause:
                await stage.clock.advance(pause)
            else:
                await anyio.lowlevel.checkpoint()
        await stage.clock.advance(300)
        assert answered == asked
        tree = supervisor.tree()
        assert {child.state for child in tree.children} <= AT_REST
        for child in tree.children:
            assert doubles[child.name].running == (child.state in UP)
        assert stage.ended == (tree.state is not State.RUNNING)
        assert stage.told(Overrun) == []
        assert not any("assert" in child.last_error.lower() for child in tree.children)
    assert not any(double.running for double in doubles.values())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("strategy", Strategy)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([Budget(3, within=10.0), Budget(100)]), SLOW, STEPS)
def test_turmoil_ends_in_order(backend, strategy, budget, slow, steps):
    anyio.run(turmoil, strategy, budget, slow, steps, backend=backend)
