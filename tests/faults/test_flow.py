"""Ten thousand messages, a slow consumer, a poisoned one, and mail for nobody in particular."""

from typing import Any

import anyio
import pytest

from mas import Agent, Decision, MessageRefused
from tests.faults.checker import check
from tests.faults.noting import Noting
from tests.redis.waiting import until
from tests.world import Tally, asking, audit, letters, running


class Sender(Agent[dict[str, Any]]):
    pass


class Receiver(Noting):
    @Agent.on("raise")
    async def fail(self, message, payload):
        self.got.note(message)
        raise ValueError("of no interest to others")


ONE_WAY = [{"type": "allow", "from": "a", "to": ["b", "c"]}]


async def test_ten_thousand_messages_are_handled_once_each_and_audited_without_a_hole(redis_url):
    count = 10_000
    with asking(redis_url) as client:
        async with running(redis_url, permissions=ONE_WAY, a=Sender, b=Receiver, third=Sender) as system:
            a, b, third = (system.agent(name) for name in ("a", "b", "third"))

            async def send(first):
                for n in range(first, count, 20):
                    await a.send("b", "work", n)

            async with anyio.create_task_group() as tasks:
                for first in range(20):
                    tasks.start_soon(send, first)
                for _ in range(20):
                    with anyio.fail_after(10), pytest.raises(MessageRefused) as caught:
                        await third.request("b", "work", {}, timeout=60)
                    assert caught.value.decision is Decision.AUTHZ_DENIED
            await b.got.reaches(count, within=60)
            await until(lambda: client.xlen("agent.stream:b") == 0)
        report = check(client, range(count), b.journal, "b")
    assert report._replace(denied=0) == (count, count, 0, count, 0, 0, 0, 0, 0, 0, 0, 0), report
    assert report.denied == 20


async def test_a_slow_consumer_is_full_at_its_cap_its_sender_told_and_others_unaffected(redis_url):
    release, begun = anyio.Event(), Tally()

    class Slow(Receiver):
        @Agent.on("slow")
        async def slow(self, message, payload):
            begun.note(message)
            await release.wait()

    capped = {"delivery": {"max_backlog": 20}}
    spec = {"class_path": Slow, "concurrency": 2}
    with asking(redis_url) as client:
        async with running(
            redis_url, permissions=ONE_WAY, gateway=capped, a=Sender, b=spec, c=Receiver
        ) as system:
            a = system.agent("a")
            for n in range(20):
                await a.send("b", "slow", n, confirm=True)
            for n in range(10):
                with pytest.raises(MessageRefused) as caught:
                    await a.send("b", "slow", n, confirm=True)
                assert caught.value.decision is Decision.BACKLOG_FULL
                await a.send("c", "work", n, confirm=True)
            await system.agent("c").got.reaches(10)
            assert client.xlen("agent.stream:b") == 20
            release.set()
            await begun.reaches(20)
            await until(lambda: client.xlen("agent.stream:b") == 0)
            await a.send("b", "slow", "room again", confirm=True)
            assert len(letters(client)) == 10


async def test_a_poison_message_is_tried_so_often_and_its_neighbours_are_unaffected(redis_url):
    quick = {"delivery": {"max_attempts": 3, "backoff_first": 0.01, "backoff_cap": 0.01}}
    with asking(redis_url) as client:
        async with running(redis_url, permissions=ONE_WAY, gateway=quick, a=Sender, b=Receiver) as system:
            a, b = system.agent("a"), system.agent("b")
            for n in range(100):
                await a.send("b", "raise" if n % 50 == 25 else "work", n)
            await b.got.reaches(98 + 2 * 3)
            await until(lambda: client.xlen("agent.stream:b") == 0)
            await until(lambda: len(letters(client)) == 2)
            report = check(client, range(100), b.journal, "b")
        assert report == (100, 100, 0, 100, 4, 0, 2, 0, 0, 0, 0, 0), report
        for letter in letters(client):
            assert (letter["decision"], letter["attempts"]) == ("DEAD_LETTERED", 3)
            assert letter["reason"] == "the handler raised ValueError"
            assert letter["envelope"]["data"] in {25, 75}
        assert [r["decision"] for r in audit(client)].count("DEAD_LETTERED") == 2


async def test_a_rate_is_kept_per_agent_and_told_with_the_time_to_wait(redis_url):
    limited = {"rate_limit": {"per_minute": 10, "overrides": {"c": {"per_minute": 1000}}}}
    both = [{"type": "allow", "from": ["a", "c"], "to": "b"}]
    spec = {"class_path": Sender, "instances": 2}
    async with running(redis_url, permissions=both, gateway=limited, a=spec, c=Sender, b=Receiver) as system:
        refused = []
        for n in range(16):
            try:
                await system.agent(f"a-{n % 2 + 1}").send("b", "work", n, confirm=True)
            except MessageRefused as refusal:
                refused.append(refusal)
        assert [refusal.decision for refusal in refused] == [Decision.RATE_LIMITED] * 6
        assert all(0 < refusal.retry_after <= 6 for refusal in refused if refusal.retry_after is not None)
        assert all(refusal.retry_after is not None for refusal in refused)
        for n in range(20):
            await system.agent("c").send("b", "work", n, confirm=True)


async def test_mail_sent_before_the_first_start_is_handled_at_it(redis_url):
    with asking(redis_url) as client:
        spec = {"class_path": Receiver}
        async with running(redis_url, permissions=ONE_WAY, a=Sender, b=spec):
            pass
        async with running(redis_url, permissions=ONE_WAY, a=Sender) as system:
            for n in range(50):
                await system.agent("a").send("b", "work", n, confirm=True)
        assert client.xlen("agent.stream:b") == 50
        async with running(redis_url, permissions=ONE_WAY, b=spec) as system:
            await system.agent("b").got.reaches(50)
            await until(lambda: client.xlen("agent.stream:b") == 0)
