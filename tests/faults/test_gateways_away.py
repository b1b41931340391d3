"""F7b, F16: no gateway for a long while, and clocks that are wrong."""

import time
from collections import Counter
from typing import Any

import anyio
import pytest

from mas import Agent, MessageRefused, open_system
from mas.clock import SystemClock
from mas.system import Part
from tests.faults.checker import check
from tests.faults.noting import Noting
from tests.hand import enrolled
from tests.redis.waiting import until
from tests.world import ENVIRON, KEYS, asking, audit, deployment, letters, running

GATEWAY: frozenset[Part] = frozenset({"gateway"})
NO_GATEWAY: frozenset[Part] = frozenset({"agents", "service"})
MAY = [{"type": "allow", "from": ["a", "hand"], "to": "b"}]


class Sender(Agent[dict[str, Any]]):
    pass


class Receiver(Noting):
    async def on_message(self, message):
        self.got.note(message)


async def test_what_was_sent_while_no_gateway_ran_is_decided_once_one_does(redis_url):
    count, too_old, old = 300, 20, 60
    how: dict[str, Any] = {"permissions": MAY, "a": Sender, "b": Receiver}
    with asking(redis_url) as client:
        async with running(redis_url, parts=NO_GATEWAY, **how) as system:
            b = system.agent("b")
            hand = await enrolled(system, client, "hand")

            def submit(numbers, seconds_ago):
                """Put messages there as they would have been put then, by Redis' clock and the sender's."""
                then = time.time() - seconds_ago
                for at, n in enumerate(numbers):
                    fields = hand.fields(hand.envelope("b", "tell", n, confirm=True), at=then)
                    client.xadd(KEYS.ingress, fields, id=f"{int(then * 1000)}-{at}")

            submit(range(too_old), 3_700)
            submit(range(too_old, too_old + old), 600)
            for n in range(too_old + old, count):
                await system.agent("a").send("b", "tell", n)
            assert client.xlen(KEYS.ingress) == count
            async with running(redis_url, parts=GATEWAY, **how), running(redis_url, parts=GATEWAY, **how):
                await b.got.reaches(count - too_old)
                await until(lambda: client.xlen(KEYS.ingress) == client.xlen(KEYS.stream(b.id)) == 0)
            # Only what waited for longer than it may is refused, and its sender told.
            assert {message.data for message in b.got.seen} == set(range(too_old, count))
            assert Counter(letter["decision"] for letter in letters(client)) == {"EXPIRED": too_old}
            assert sum(b"EXPIRED" in notice[b"envelope"] for notice in hand.mail()) == too_old
        report = check(client, range(count), b.journal, "b")
    assert report == (count, count - too_old, 0, count - too_old, 0, too_old, *[0] * 6), report


class Wrong(SystemClock):
    """A clock that is off by so many seconds."""

    def __init__(self, off: float) -> None:
        self._off = off

    def wall(self) -> float:
        return super().wall() + self._off


@pytest.mark.parametrize("off", [-7200.0, 7200.0])
async def test_a_gateway_whose_clock_is_wrong_judges_by_that_of_redis(redis_url, off):
    clock = Wrong(off)
    how: dict[str, Any] = {"permissions": MAY, "a": Sender, "b": Receiver}
    with asking(redis_url) as client:
        async with (
            running(redis_url, parts=NO_GATEWAY, **how) as system,
            open_system(deployment(redis_url, **how), parts=GATEWAY, environ=ENVIRON, clock=clock),
        ):
            a, b = system.agent("a"), system.agent("b")
            for n in range(30):
                await a.send("b", "tell", n, confirm=True)
            assert [message.data for message in await b.got.reaches(30)] == list(range(30))
            hand = await enrolled(system, client, "hand")
            # Dated by the gateway's own clock, which is not asked.
            hand.submit(hand.fields(hand.envelope("b"), at=time.time() + off))
            hand.submit(hand.fields(hand.envelope("b", expires_at=time.time() - 1)))
            hand.submit(hand.fields(hand.envelope("b", expires_at=time.time() + 60)))
            await until(lambda: client.xlen(KEYS.audit_messages) == 33)
        decisions = [record["decision"] for record in audit(client)]
    assert decisions == ["ALLOWED"] * 30 + ["EXPIRED", "EXPIRED", "ALLOWED"]


async def test_a_sender_whose_clock_is_wrong_is_refused_and_told(redis_url):
    clock = Wrong(7200.0)
    how: dict[str, Any] = {"permissions": MAY, "a": Sender, "b": Receiver}
    async with (
        running(redis_url, parts=frozenset({"gateway", "service"}), **how),
        open_system(
            deployment(redis_url, **how), parts=frozenset({"agents"}), environ=ENVIRON, clock=clock
        ) as system,
    ):
        with anyio.fail_after(20), pytest.raises(MessageRefused, match="EXPIRED"):
            await system.agent("a").send("b", "tell", confirm=True)
        b: Any = system.agent("b")
        assert b.got.seen == []
