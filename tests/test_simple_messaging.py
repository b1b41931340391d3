"""Two agents and a gateway between them: what every user does first."""

from functools import partial
from typing import Any

import anyio
import pytest

from mas import Agent, Decision, InvalidId, MessageRefused, NotARequest, RequestTimeout
from tests.redis.waiting import until
from tests.world import Tally, asking, audit, letters, running


class Echo(Agent[dict[str, Any]]):
    def __init__(self, agent_id, **more):
        super().__init__(agent_id, **more)
        self.got = Tally()

    @Agent.on("ask")
    async def asked(self, message, payload):
        await message.reply("answer", {"echo": message.data, "payload": payload})

    @Agent.on("tell")
    async def told(self, message, payload):
        self.got.note(message)

    @Agent.on("ignore")
    async def ignored(self, message, payload):
        self.got.note(message)


class Other(Echo):
    pass


ONE_WAY = [{"type": "allow", "from": "a", "to": "b"}]


async def test_bidirectional_messaging(redis_url):
    async with running(redis_url, a=Echo, b=Other) as system:
        a, b = system.agent("a"), system.agent("b")
        there = await a.request("b", "ask", {"n": 1}, timeout=5)
        back = await b.request("a", "ask", {"n": 2}, timeout=5)
        assert (there.sender_id, there.message_type, there.data["echo"]) == ("b", "answer", {"n": 1})
        assert (back.sender_id, back.message_type, back.data["echo"]) == ("a", "answer", {"n": 2})
        await a.send("b", "tell", "one way")
        await b.send("a", "tell", "and the other")
        assert [m.data for m in await b.got.reaches(1)] == ["one way"]
        assert [m.data for m in await a.got.reaches(1)] == ["and the other"]


async def test_a_message_says_who_sent_what_to_whom_and_when(redis_url):
    async with running(redis_url, a=Echo, b=Echo) as system:
        await system.agent("a").send("b", "tell", {"deep": [1, {"text": 'ä \U0001f600 "quoted" \\ \0'}]})
        (message,) = await system.agent("b").got.reaches(1)
        assert message.sender_id == "a"
        assert message.target_id == "b"
        assert message.message_type == "tell"
        assert message.data == {"deep": [1, {"text": 'ä \U0001f600 "quoted" \\ \0'}]}
        assert message.attempt == 1
        assert message.meta.correlation_id is None
        assert not message.meta.is_reply
        assert not message.expects_reply
        assert len(message.message_id) == 32
        assert message.timestamp > 1_600_000_000


async def test_a_message_without_data_carries_an_empty_object_and_no_payload(redis_url):
    async with running(redis_url, a=Echo, b=Echo) as system:
        reply = await system.agent("a").request("b", "ask", timeout=5)
        assert reply.data == {"echo": {}, "payload": None}


async def test_a_request_nobody_answers_times_out_and_the_handler_ran_all_the_same(redis_url):
    async with running(redis_url, a=Echo, b=Echo) as system:
        with pytest.raises(RequestTimeout, match=r"no reply from b to ignore within 0\.2 s") as caught:
            await system.agent("a").request("b", "ignore", {}, timeout=0.2)
        assert isinstance(caught.value, TimeoutError)
        assert (caught.value.target_id, caught.value.message_type, caught.value.seconds) == (
            "b",
            "ignore",
            0.2,
        )
        await system.agent("b").got.reaches(1)


async def test_a_late_reply_is_dropped_and_harms_nobody(redis_url):
    release = anyio.Event()

    class Late(Agent[dict[str, Any]]):
        @Agent.on("ask")
        async def asked(self, message, payload):
            if message.data == "slow":
                await release.wait()
            await message.reply("answer", message.data)

    async with running(redis_url, a=Echo, b=Late) as system:
        a = system.agent("a")
        with pytest.raises(RequestTimeout):
            await a.request("b", "ask", "slow", timeout=0.2)
        release.set()
        for n in range(5):
            assert (await a.request("b", "ask", n, timeout=5)).data == n


async def test_many_requests_at_once_each_get_their_own_reply(redis_url):
    async with running(redis_url, a=Echo, b=Echo) as system:
        a, answers = system.agent("a"), {}

        async def ask(n):
            answers[n] = (await a.request("b", "ask", n, timeout=20)).data["echo"]

        async with anyio.create_task_group() as tasks:
            for n in range(300):
                tasks.start_soon(ask, n)
        assert answers == {n: n for n in range(300)}


async def test_a_confirmed_send_returns_once_the_gateway_let_it_through(redis_url):
    async with running(redis_url, a=Echo, b=Echo) as system:
        await system.agent("a").send("b", "tell", "sure", confirm=True)
        with asking(redis_url) as client:
            assert [record["decision"] for record in audit(client)] == ["ALLOWED"]
        await system.agent("b").got.reaches(1)


async def test_a_confirmed_send_is_confirmed_whatever_its_receiver_makes_of_it(redis_url):
    async with running(redis_url, a=Echo, b=Echo) as system:
        for _ in range(20):
            with anyio.fail_after(3):  # well before the next look at what no ring announced
                await system.agent("a").send("b", "unheard.of", confirm=True)


@pytest.mark.parametrize("how", ["request", "confirm"])
async def test_without_permission_the_sender_is_told_at_once_with_the_reason(redis_url, how):
    async with running(redis_url, permissions=ONE_WAY, a=Echo, b=Echo) as system:
        b = system.agent("b")
        say = partial(b.request, timeout=60) if how == "request" else partial(b.send, confirm=True)
        with anyio.fail_after(5), pytest.raises(MessageRefused) as caught:
            await say("a", "ask", {})
        assert caught.value.decision is Decision.AUTHZ_DENIED
        assert caught.value.reason == "b -> a (ask): nothing grants it"
        assert caught.value.message_id
        with asking(redis_url) as client:
            (record,) = audit(client)
            assert (record["decision"], record["sender"], record["target"], record["stage"]) == (
                "AUTHZ_DENIED",
                "b",
                "a",
                "authorize",
            )
            (letter,) = letters(client)
            assert (letter["decision"], letter["sender"], letter["type"]) == ("AUTHZ_DENIED", "b", "ask")
            assert client.xlen("agent.stream:a") == 0


async def test_a_block_is_named_as_the_reason(redis_url):
    permissions = [{"type": "allow_wildcard", "agent": "a"}, {"type": "block", "from": "a", "to": "b"}]
    async with running(redis_url, permissions=permissions, a=Echo, b=Echo) as system:
        with pytest.raises(MessageRefused, match=r"block a -> b by permissions\[1\] block"):
            await system.agent("a").request("b", "ask", timeout=20)


async def test_permission_to_ask_includes_permission_to_be_answered(redis_url):
    async with running(redis_url, permissions=ONE_WAY, a=Echo, b=Echo) as system:
        assert (await system.agent("a").request("b", "ask", 7, timeout=5)).data["echo"] == 7
        with pytest.raises(MessageRefused, match="AUTHZ_DENIED"):
            await system.agent("b").send("a", "tell", confirm=True)


async def test_an_unknown_target_is_told_to_who_may_reach_it(redis_url):
    wildcard = [{"type": "allow_wildcard", "agent": "a"}]
    async with running(redis_url, permissions=wildcard, a=Echo, b=Echo) as system:
        with anyio.fail_after(5), pytest.raises(MessageRefused, match="ghost is not registered") as caught:
            await system.agent("a").request("ghost", "ask", timeout=60)
        assert caught.value.decision is Decision.TARGET_UNKNOWN
        with pytest.raises(MessageRefused) as hidden:
            await system.agent("b").request("ghost", "ask", timeout=60)
        assert hidden.value.decision is Decision.AUTHZ_DENIED


async def test_a_target_id_that_could_bend_a_key_never_leaves_the_agent(redis_url):
    async with running(redis_url, a=Echo, b=Echo) as system:
        for bad in ("b:1", "*", "", "b\n", "mas.gateway", "b" * 129):
            with pytest.raises(InvalidId):
                await system.agent("a").send(bad, "tell")
            with pytest.raises(InvalidId):
                await system.agent("a").request(bad, "tell")


async def test_a_message_that_is_no_request_cannot_be_replied_to(redis_url):
    raised = Tally()

    class Replies(Agent[dict[str, Any]]):
        @Agent.on("tell")
        async def told(self, message, payload):
            try:
                await message.reply("answer")
            except NotARequest as error:
                raised.note(error)

    async with running(redis_url, a=Echo, b=Replies) as system:
        await system.agent("a").send("b", "tell")
        (error,) = await raised.reaches(1)
        assert "a sent tell without asking for a reply" in str(error)


async def test_messages_sent_to_a_handler_that_replies_cost_one_start_each_and_open_no_circuit(redis_url):
    starts = Tally()

    class Replies(Agent[dict[str, Any]]):
        @Agent.on("ask")
        async def asked(self, message, payload):
            starts.note(message.attempt)
            await message.reply("answer")

    async with running(redis_url, a=Echo, b=Replies) as system:
        a = system.agent("a")
        for _ in range(10):
            await a.send("b", "ask", confirm=True)
        assert await starts.reaches(10) == [1] * 10
        with asking(redis_url) as client:
            await until(lambda: len(letters(client)) == 10)
            assert {each["reason"] for each in letters(client)} == {
                "ask: b replied to it, but it was sent without asking for a reply"
            }
        assert (await a.request("b", "ask", timeout=10)).message_type == "answer"


async def test_only_the_first_reply_counts(redis_url):
    class Twice(Agent[dict[str, Any]]):
        @Agent.on("ask")
        async def asked(self, message, payload):
            await message.reply("answer", 1)
            await message.reply("answer", 2)

    async with running(redis_url, a=Echo, b=Twice) as system:
        a = system.agent("a")
        assert [(await a.request("b", "ask", timeout=5)).data for _ in range(5)] == [1] * 5
        await a.send("b", "after", confirm=True)
        with asking(redis_url) as client:
            decisions = [record["decision"] for record in audit(client)]
            assert decisions.count("REPLAYED") == 5


async def test_an_agent_may_send_to_itself_only_when_granted(redis_url):
    async with running(
        redis_url, permissions=[{"type": "allow", "from": "a", "to": "a"}], a=Echo, b=Echo
    ) as system:
        assert (await system.agent("a").request("a", "ask", 1, timeout=5)).data["echo"] == 1
        with pytest.raises(MessageRefused):
            await system.agent("b").request("b", "ask", timeout=20)
