"""Which method is called with what, and what becomes of a message nobody can take."""

from typing import Any

import anyio
import pytest

from mas import Agent, Decision, MessageRefused
from tests.world import Tally, asking, audit, letters, running


class Sender(Agent[dict[str, Any]]):
    pass


class Base(Agent[dict[str, Any]]):
    @Agent.on("one")
    async def one(self, message, payload):
        await message.reply("answer", "base one")

    @Agent.on("two")
    async def two(self, message, payload):
        await message.reply("answer", "base two")

    @Agent.on("three")
    @Agent.on("four")
    async def both(self, message, payload):
        await message.reply("answer", message.message_type)


class Derived(Base):
    async def two(self, message, payload):
        await message.reply("answer", "overridden two")

    @Agent.on("one")
    async def another(self, message, payload):
        await message.reply("answer", "derived one")


async def test_handlers_are_inherited_overridden_by_name_and_replaced_by_type(redis_url):
    async with running(redis_url, a=Sender, base=Base, derived=Derived) as system:

        async def ask(target, kind):
            return (await system.agent("a").request(target, kind, timeout=5)).data

        assert await ask("base", "one") == "base one"
        assert await ask("base", "two") == "base two"
        assert await ask("derived", "one") == "derived one"
        assert await ask("derived", "two") == "overridden two"
        assert await ask("derived", "three") == "three"
        assert await ask("derived", "four") == "four"


class NoModel:
    """A class of which nobody knows how to make one from JSON."""


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (lambda: Agent.on("x", model=NoModel), "NoModel is no model: make it a msgspec Struct, attrs"),
        (lambda: Agent.on("x")(takes_too_little), r"too_little handles 'x', so it must take \(self, message"),
        (lambda: Agent.on("x")(takes_too_much), r"payload\), not \(self, message, payload, more\)"),
        (lambda: Agent.on("x")(not_async), "not_async handles 'x', so it must be async def"),
    ],
)
def test_a_handler_that_would_fail_with_each_message_is_refused_where_it_is_written(write, told):
    with pytest.raises(TypeError, match=told):
        write()(takes_anything)


async def takes_too_little(self, message): ...
async def takes_too_much(self, message, payload, more): ...
def not_async(self, message, payload): ...
async def takes_more_by_name(self, message, payload=None, *, more=1): ...
def takes_anything(*args, **kwargs):
    return takes_more_by_name(*args, **kwargs)


@pytest.mark.parametrize("method", [takes_anything, takes_more_by_name])
def test_whatever_can_be_called_with_a_message_and_a_payload_may_handle(method):
    assert Agent.on("x")(method) is method


def test_one_class_cannot_handle_a_type_twice():
    with pytest.raises(TypeError, match="both first and second handle 'same'"):

        class Torn(Agent[dict[str, Any]]):
            @Agent.on("same")
            async def first(self, message, payload): ...

            @Agent.on("same")
            async def second(self, message, payload): ...


async def test_on_message_takes_what_has_no_handler(redis_url):
    class Fallback(Base):
        async def on_message(self, message):
            await message.reply("answer", f"fallback for {message.message_type}")

    async with running(redis_url, a=Sender, b=Fallback) as system:
        a = system.agent("a")
        assert (await a.request("b", "unheard.of", timeout=5)).data == "fallback for unheard.of"
        assert (await a.request("b", "one", timeout=5)).data == "base one"


async def test_a_message_nobody_handles_becomes_a_dead_letter_and_its_requester_is_told_at_once(redis_url):
    async with running(redis_url, a=Sender, b=Base) as system:
        with anyio.fail_after(5), pytest.raises(MessageRefused) as caught:
            await system.agent("a").request("b", "unheard.of", {"n": 1}, timeout=60)
        assert caught.value.decision is Decision.DEAD_LETTERED
        assert caught.value.reason == "unheard.of: b has no handler for it"
        with asking(redis_url) as client:
            (letter,) = letters(client)
            assert (letter["decision"], letter["sender"], letter["target"]) == ("DEAD_LETTERED", "a", "b")
            assert letter["attempts"] == 1
            assert letter["envelope"]["data"] == {"n": 1}
            assert client.xlen("agent.stream:b") == 0
            assert client.xpending("agent.stream:b", "agents")["pending"] == 0
            assert [record["decision"] for record in audit(client)] == ["ALLOWED", "DEAD_LETTERED"]


async def test_a_handler_that_raises_is_tried_again_and_told_which_attempt_it_is(redis_url):
    attempts = Tally()

    class Flaky(Agent[dict[str, Any]]):
        @Agent.on("ask")
        async def asked(self, message, payload):
            attempts.note(message.attempt)
            if message.attempt < 3:
                raise ConnectionError("not yet")
            await message.reply("answer", message.attempt)

    quick = {"delivery": {"backoff_first": 0.01, "backoff_cap": 0.01}}
    async with running(redis_url, gateway=quick, a=Sender, b=Flaky) as system:
        assert (await system.agent("a").request("b", "ask", timeout=10)).data == 3
        assert attempts.seen == [1, 2, 3]


async def test_a_failing_handler_costs_the_message_and_not_the_agent(redis_url):
    class Raises(Base):
        made = 0

        def __init__(self, agent_id):
            super().__init__(agent_id)
            type(self).made += 1

        @Agent.on("raise")
        async def raises(self, message, payload):
            raise ValueError("of no interest to others")

    once = {"delivery": {"max_attempts": 2, "backoff_first": 0.001, "backoff_cap": 0.001}}
    async with running(redis_url, gateway=once, a=Sender, b=Raises) as system:
        made = Raises.made
        with pytest.raises(MessageRefused) as caught:
            await system.agent("a").request("b", "raise", timeout=20)
        assert caught.value.decision is Decision.DEAD_LETTERED
        assert caught.value.reason == "the handler raised ValueError"
        assert (await system.agent("a").request("b", "one", timeout=5)).data == "base one"
        assert Raises.made == made
        with asking(redis_url) as client:
            assert [letter["attempts"] for letter in letters(client)] == [2]
