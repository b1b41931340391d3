"""A message that is too large is refused where it is sent, at once, and tells what bounds it."""

from typing import Any

import pytest

from mas import Agent, Decision, MessageRefused
from tests.agent.crew import Worker
from tests.world import asking, letters, running

SMALL = {"limits": {"max_envelope": 2048}, "delivery": {"max_attempts": 1}}
LONG = "x" * 2048


class Boss(Agent[dict[str, Any]]):
    """Asks."""


async def test_it_is_raised_by_send_and_request_and_nothing_is_submitted(redis_url):
    async with running(redis_url, gateway=SMALL, boss=Boss, worker=Worker) as system:
        boss = system.agent("boss")
        for saying in (
            boss.send("worker", "echo", LONG),
            boss.send("worker", "echo", LONG, confirm=True),
            boss.request("worker", "echo", LONG, timeout=20),
        ):
            with pytest.raises(MessageRefused) as refused:
                await saying
            assert refused.value.decision is Decision.TOO_LARGE
            assert "limits.max_envelope is 2,048" in refused.value.reason
        assert (await boss.request("worker", "echo", "short", timeout=20)).data["data"] == "short"
        with asking(redis_url) as client:
            assert letters(client) == []


@pytest.mark.parametrize("process", [False, True], ids=["here", "in its own process"])
async def test_a_reply_that_is_too_large_fails_its_handler_and_who_asked_is_told(redis_url, process):
    worker = {"class_path": Worker, "process": process}
    async with running(redis_url, gateway=SMALL, boss=Boss, worker=worker) as system:
        with pytest.raises(MessageRefused) as refused:
            # The answer says more than the question, and has the permit with it.
            await system.agent("boss").request("worker", "echo", LONG[:1700], timeout=20)
    assert refused.value.decision is Decision.DEAD_LETTERED
    assert "the handler raised MessageRefused" in refused.value.reason
