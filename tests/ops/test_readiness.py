"""What keeps a process from being ready; as a table, and at its end."""

from dataclasses import replace
from typing import Any

import anyio
import pytest

from mas import Agent
from mas.decision import Decision
from mas.gateway import Pace
from mas.ops.readiness import MOST, troubles
from mas.ops.vitals import Gate, Stored, Vitals
from mas.supervision import Kind, Snapshot, State
from tests.ops.asking import shown, until_said


def child(name, state=State.RUNNING):
    return Snapshot(name, name, Kind.WORKER, state, 0.0, 0, "ValueError: CANARY")


def tree(*children):
    return Snapshot("mas", "", Kind.SUPERVISOR, State.RUNNING, 0.0, 0, "", children)


STORED = Stored(0.0, (), 0, 0, 0.0, 1, {"messages": 999, "security_events": 9_999}, 1, 0.0, 0, b"")
GATE = Gate(dict.fromkeys(Decision, 0), Pace(), 0.4, 1_000)
WELL = Vitals(
    runner="runner",
    pid=1,
    version="1",
    parts=("gateway",),
    at=0.0,
    now=0.0,
    tree=tree(child("gateway"), child("done", State.FINISHED)),
    seats={},
    failures={},
    restarts={},
    given_up=0,
    escalations=0,
    overruns=0,
    redis="here",
    connects=1,
    stored=STORED,
    trouble="",
    trusted=True,
    gate=GATE,
    fared=None,
    lag=None,
    longest_lag=None,
)


def test_what_is_well_is_ready():
    assert troubles(WELL) == []
    assert troubles(replace(WELL, gate=None, trusted=None)) == []


@pytest.mark.parametrize(
    ("change", "what", "why"),
    [
        ({"stored": None, "trouble": "CANARY"}, "redis", "does not answer"),
        ({"gate": replace(GATE, silent=None)}, "gateway", "has not begun"),
        ({"gate": replace(GATE, silent=5.1)}, "gateway", "has stopped committing"),
        ({"gate": replace(GATE, max_unsealed=999)}, "audit", "nothing is committed"),
        ({"trusted": False}, "policy", "everything is denied"),
        *(
            ({"tree": tree(child("it", state))}, "it", state)
            for state in State
            if state not in {State.RUNNING, State.FINISHED}
        ),
        ({"tree": replace(tree(), state=State.STOPPING)}, "mas", "stopping"),
    ],
)
def test_each_thing_that_is_not_well_is_named_without_anybodys_words(change, what, why):
    (trouble,) = troubles(replace(WELL, **change))
    assert trouble.what == what
    assert why in trouble.why
    assert "CANARY" not in str(trouble)


def test_of_many_that_do_not_run_some_are_named():
    ill = [child(f"child-{n}", State.FAILED) for n in range(1000)]
    found = troubles(replace(WELL, tree=tree(*ill)))
    assert len(found) == MOST + 1
    assert found[-1].why == "950 more children do not run"


class Slow(Agent[dict[str, Any]]):
    begun: anyio.Event
    release: anyio.Event

    @Agent.on("wait")
    async def wait(self, message, payload):
        Slow.begun.set()
        await Slow.release.wait()


async def test_a_process_that_drains_says_that_it_is_not_ready(redis_url):
    Slow.begun, Slow.release = anyio.Event(), anyio.Event()
    async with shown(redis_url, a=Slow, b=Slow) as (system, port):
        await system.agent("a").send("b", "wait", {})
        await Slow.begun.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(system.drain)
            said = await until_said(port, "/readyz", lambda said: said.status == 503)
            assert {"what": "agents", "why": "stopping"} in said.json["not_well"]
            Slow.release.set()
