"""A voice: it hears what becomes of what it said, and leaves everything else where it lies."""

from contextlib import asynccontextmanager

import anyio
import pytest

from mas import Agent, Decision, MessageRefused, RequestTimeout
from mas.agent import Voice
from mas.agent.answers import Waiter
from mas.audit import Events
from mas.control import Notice
from mas.errors import EnrolmentRefused, MasError, RedisUnavailable
from mas.ids import AgentId, InstanceId, new_message_id
from mas.registry import Lives, leave, visiting
from mas.testing.server import redis_server
from tests.redis.waiting import until
from tests.world import KEYRING, KEYS, Tally, asking, running

ANN, DESK = AgentId("ann"), AgentId("desk")
LIVES = Lives(3600.0, in_flight=60.0)
GRANTS = [{"type": "allow", "from": "ann", "to": "desk"}]


class Desk(Agent[dict[str, object]]):
    def __init__(self, agent_id, **more):
        super().__init__(agent_id, **more)
        self.got, self.go = Tally(), anyio.Event()

    @Agent.on("ask")
    async def asked(self, message, payload):
        await message.reply("answer", message.data)

    @Agent.on("tell")
    async def told(self, message, payload):
        self.got.note(message.data)

    @Agent.on("wait")
    async def waited(self, message, payload):
        self.got.note(message.data)
        await self.go.wait()
        await message.reply("waited", message.data)


@asynccontextmanager
async def speaking(system, *, hears=True):
    """Give a guest's voice.

    :param hears: whether it reads what comes for it
    """
    events = Events(system.redis, KEYS, KEYRING, "test")
    about = (system.redis, KEYS, KEYRING, ANN)
    async with (
        visiting(*about, lives=LIVES, events=events, actor="a test") as guest,
        anyio.create_task_group() as tasks,
    ):
        voice = Voice(
            system.redis,
            system.subscriber,
            KEYS,
            guest.credential,
            KEYS.ingress,
            largest=lambda: 10_000,
        )
        if hears:
            await tasks.start(voice.run)
        else:
            await voice._outbox.open()
        yield voice
        tasks.cancel_scope.cancel()


async def test_it_hears_decisions_replies_and_refusals(redis_url):
    async with running(redis_url, permissions=GRANTS, desk=Desk) as system, speaking(system) as voice:
        notice = await voice.say(DESK, "tell", 1, timeout=10)
        assert notice.decision is Decision.ALLOWED
        assert await system.agent("desk").got.reaches(1) == [1]
        reply = await voice.ask(DESK, "ask", {"a": 2}, timeout=10)
        assert (reply.message_type, reply.data, reply.sender_id) == ("answer", {"a": 2}, "desk")
        for speak in (voice.say, voice.ask):
            with pytest.raises(MessageRefused) as refused:
                await speak(AgentId("cellar"), "ask", None, timeout=10)
            assert refused.value.decision is Decision.AUTHZ_DENIED
            with pytest.raises(MessageRefused) as refused:
                await speak(DESK, "ask", "x" * 20_000, timeout=10)
            assert refused.value.decision is Decision.TOO_LARGE
        assert not voice.owed
        await voice.submit(DESK, "tell", 3)
        assert voice.owed


async def test_many_may_speak_with_it_at_once(redis_url):
    async with running(redis_url, permissions=GRANTS, desk=Desk) as system, speaking(system) as voice:
        answers = {}

        async def ask(number):
            answers[number] = (await voice.ask(DESK, "ask", number, timeout=10)).data

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(ask, number)
        assert answers == {number: number for number in range(50)}


async def test_a_request_that_is_let_through_and_not_answered_owes_nothing(redis_url):
    async with running(redis_url, permissions=GRANTS, desk=Desk) as system, speaking(system) as voice:
        with pytest.raises(RequestTimeout, match="no reply from desk to wait within"):
            await voice.ask(DESK, "wait", None, timeout=0.2)
        assert not voice.owed


async def test_a_decision_that_nobody_made_is_told_apart_from_a_reply_that_nobody_gave(redis_url):
    async with (
        running(redis_url, permissions=GRANTS, parts={"agents"}, desk=Desk) as system,
        speaking(system) as voice,
    ):
        for speak in (voice.say, voice.ask):
            with pytest.raises(MasError, match="no decision about tell to desk within") as undecided:
                await speak(DESK, "tell", None, timeout=0.1)
            assert not isinstance(undecided.value, RequestTimeout)
        assert voice.owed


async def test_the_last_look_finds_a_decision_that_came_unheard(redis_url):
    async with (
        running(redis_url, permissions=GRANTS, desk=Desk) as system,
        speaking(system, hears=False) as voice,
    ):
        notice = await voice.say(DESK, "tell", 1, timeout=0.3)
        assert notice.decision is Decision.ALLOWED
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel_when, system.agent("desk").got, 2, scope)
                await voice.ask(DESK, "wait", 2, timeout=60)
        assert scope.cancelled_caught
        assert not voice.owed


async def cancel_when(tally, count, scope):
    await tally.reaches(count)
    scope.cancel()


async def test_what_is_no_answer_to_it_is_left_pending(redis_url):
    async with running(redis_url, permissions=GRANTS, desk=Desk) as system, speaking(system) as voice:
        stream = KEYS.instance_stream(ANN, voice.credential.instance_id)
        # What its agent asked before, in another life of the same instance.
        with pytest.raises(RequestTimeout):
            await voice.ask(DESK, "wait", None, timeout=0.2)
        system.agent("desk").go.set()
        with asking(redis_url) as client:
            await until(lambda: client.xpending(stream, "agents")["pending"] == 1)
            assert (await voice.ask(DESK, "ask", 1, timeout=10)).data == 1
            await until(lambda: client.xlen(stream) == 1)
            assert client.xpending(stream, "agents")["pending"] == 1


async def test_a_guest_takes_no_mail_of_its_agent(redis_url):
    grants = [*GRANTS, {"type": "allow", "from": "desk", "to": "ann"}]
    async with running(redis_url, permissions=grants, desk=Desk, ann=Desk) as system:
        async with speaking(system) as voice:
            for number in range(20):
                await system.agent("desk").send("ann", "tell", number)
                assert (await voice.ask(DESK, "ask", number, timeout=10)).data == number
        assert sorted(await system.agent("ann").got.reaches(20)) == [*range(20)]


async def test_it_goes_on_after_redis_was_restarted(anyio_backend):
    with redis_server(port=0, appendonly="yes") as server:
        async with (
            running(server.url, permissions=GRANTS, desk=Desk) as system,
            speaking(system) as voice,
            anyio.create_task_group() as tasks,
        ):
            replies = []

            async def ask():
                replies.append((await voice.ask(DESK, "wait", 1, timeout=60)).data)

            tasks.start_soon(ask)
            await system.agent("desk").got.reaches(1)
            await anyio.to_thread.run_sync(server.restart)
            system.agent("desk").go.set()
            with anyio.fail_after(60):
                while not replies:
                    await anyio.sleep(0.01)
            assert replies == [1]


async def test_a_redis_that_does_not_take_the_message_in_time_is_told(anyio_backend):
    with redis_server(port=0, appendonly="yes") as server:
        async with running(server.url, permissions=GRANTS, desk=Desk) as system, speaking(system) as voice:
            await anyio.to_thread.run_sync(server.stop)
            with pytest.raises(RedisUnavailable, match="whether it took the message"):
                await voice.say(DESK, "tell", 1, timeout=0.3)
            assert voice.owed
            await anyio.to_thread.run_sync(server.start)


async def test_an_instance_that_is_gone_says_so(redis_url):
    async with running(redis_url, permissions=GRANTS, desk=Desk) as system:
        with pytest.RaisesGroup(EnrolmentRefused, flatten_subgroups=True):
            async with speaking(system) as voice:
                instance = InstanceId(voice.credential.instance_id)
                await leave(system.redis, KEYS, ANN, instance, in_flight=0)
                await voice.ask(DESK, "wait", 1, timeout=30)


async def test_a_refusal_that_is_read_twice_is_a_refusal():
    waiter, notice = Waiter(DESK), Notice(new_message_id(), Decision.AUTHZ_DENIED, "nothing grants it")
    for _ in range(2):
        waiter.decided(notice)
    with pytest.raises(MessageRefused):
        await waiter.decision()
