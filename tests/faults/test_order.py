"""F22: numbered pairs stay in order, whoever dies meanwhile."""

import signal
from typing import Any

import anyio

from mas import open_system
from tests.faults.cast import Sender
from tests.faults.checker import Journal, check
from tests.faults.runner import process
from tests.redis.waiting import until
from tests.world import ENVIRON, asking, deployment

LEASE = 1.0
EACH = 300
PAIRS = ("a", "c")
TALK = [{"type": "allow", "from": list(PAIRS), "to": "b"}]


async def test_each_pair_keeps_its_order_though_gateway_and_receiver_are_killed(
    redis_url, tmp_path, anyio_backend
):
    journal = Journal(tmp_path / "journal")
    receiver = {
        "class_path": "tests.faults.cast:Receiver",
        "init_kwargs": {"journal": str(journal.path)},
        "concurrency": 1,
    }
    quick: dict[str, Any] = {"permissions": TALK, "gateway": {"delivery": {"lease": LEASE}}}
    here = deployment(redis_url, **quick, a=Sender, c=Sender)
    alone, there = {**here, "agents": []}, deployment(redis_url, **quick, b=receiver)

    async def say(agent, first):
        for n in range(first, first + EACH):
            await agent.send("b", "die.once" if n in {60, 1000 + 180} else "work", n)

    with asking(redis_url) as client:
        async with (
            open_system(here, parts=frozenset({"agents", "service"}), environ=ENVIRON) as system,
            process(alone, "gateway", anyio_backend) as gateway,
            process(alone, "gateway", anyio_backend, waiting=True) as next_gateway,
            process(there, "agents", anyio_backend) as first,
            process(there, "agents", anyio_backend, waiting=True) as second,
            process(there, "agents", anyio_backend, waiting=True) as third,
            anyio.create_task_group() as tasks,
        ):
            for number, name in enumerate(PAIRS):
                tasks.start_soon(say, system.agent(name), 1000 * number)
            assert await first.ended() == -signal.SIGKILL
            gateway.signal(signal.SIGKILL)
            await until(lambda: not list(client.scan_iter("mas.gateway.lease:*")), every=0.01)
            await next_gateway.go()
            await second.go()
            assert await second.ended() == -signal.SIGKILL
            await third.go()
            await until(lambda: len({n for n, _ in journal.read()}) == 2 * EACH, within=30, every=0.02)
            await until(lambda: client.xlen("agent.stream:b") == 0)
        numbers = [1000 * number + n for number in range(len(PAIRS)) for n in range(EACH)]
        report = check(client, numbers, journal.read(), "b")
    first_starts = list(dict.fromkeys(n for n, _ in journal.read()))
    for number in range(len(PAIRS)):
        pair = [n for n in first_starts if n // 1000 == number]
        assert pair == sorted(pair)
    assert report._replace(handled_dup=0) == (2 * EACH, 2 * EACH, 0, 2 * EACH, *[0] * 8), report
