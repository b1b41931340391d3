"""F22: numbered pairs stay in order, but for what was in the hands of a process that died."""

import json
import signal
from typing import Any

import anyio

from mas import open_system
from tests.faults.cast import Sender
from tests.faults.checker import Journal, check
from tests.faults.runner import process
from tests.redis.waiting import until
from tests.world import ENVIRON, asking, audit, deployment

LEASE = 1.0
EACH = 300
PAIRS = ("a", "c")
TALK = [{"type": "allow", "from": list(PAIRS), "to": "b"}]


def numbers_held(client):
    """Return what was sent and is pending: a process that died had read it."""
    held = client.xpending_range("agent.stream:b", "agents", "-", "+", 1_000)
    envelopes = [client.xrange("agent.stream:b", e["message_id"], e["message_id"])[0][1] for e in held]
    return {json.loads(fields[b"envelope"])["data"] for fields in envelopes}


async def say(agent, first):
    for n in range(first, first + EACH):
        await agent.send("b", "die.once" if n == 100 else "work", n)


async def test_each_pair_keeps_its_order_but_for_what_a_killed_receiver_held(
    redis_url, tmp_path, anyio_backend
):
    journal = Journal(tmp_path / "journal")
    receiver = {
        "class_path": "tests.faults.cast:Receiver",
        "init_kwargs": {"journal": str(journal.path)},
        "concurrency": 1,
    }
    quick: dict[str, Any] = {"permissions": TALK, "gateway": {"delivery": {"lease": LEASE}}}
    here, there = (
        deployment(redis_url, **quick, a=Sender, c=Sender),
        deployment(redis_url, **quick, b=receiver),
    )
    with asking(redis_url) as client:
        async with (
            open_system(here, environ=ENVIRON) as system,
            process(there, "agents", anyio_backend) as first,
            process(there, "agents", anyio_backend, waiting=True) as second,
            anyio.create_task_group() as tasks,
        ):
            for number, name in enumerate(PAIRS):
                tasks.start_soon(say, system.agent(name), 1000 * number)
            assert await first.ended() == -signal.SIGKILL
            held = numbers_held(client)
            await second.go()
            await until(lambda: len({n for n, _ in journal.read()}) == 2 * EACH, within=30, every=0.02)
            await until(lambda: client.xlen("agent.stream:b") == 0)
        numbers = [1000 * number + n for number in range(len(PAIRS)) for n in range(EACH)]
        report = check(client, numbers, journal.read(), "b")
        delivered = [record["message_id"] for record in audit(client) if record["decision"] == "ALLOWED"]
    assert report._replace(handled_dup=0) == (2 * EACH, 2 * EACH, 0, 2 * EACH, *[0] * 8), report
    begun = {message: n for n, message in journal.read()}
    first_starts = list(dict.fromkeys(n for n, _ in journal.read()))
    assert 100 in held
    for pair in range(len(PAIRS)):
        mine = [n for n in first_starts if n // 1000 == pair]
        for some in (
            [begun[message] for message in delivered if begun[message] // 1000 == pair],
            # What the dead one held comes when its lease is over; the rest is not kept waiting for it.
            [n for n in mine if n in held],
            [n for n in mine if n not in held],
        ):
            assert some == sorted(some)
