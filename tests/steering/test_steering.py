"""Trees and commands travel through Redis, which is not believed."""

import json
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
import pytest

from mas import Agent, IntegrityError, MasError
from mas.redis import open_redis
from mas.steering import Answer, Command, Do, Operator
from mas.steering.bulletin import LIFE
from mas.steering.listener import VALIDITY
from mas.steering.operator import BLOCK
from mas.supervision import State
from mas.trust import Keyring, protect
from tests.redis.waiting import until
from tests.world import KEYRING, KEYS, Tally, asking, entries, running

OTHER = Keyring(b"another deployment's secret, not ours")


class Plain(Agent[dict[str, Any]]):
    """Does nothing."""


@asynccontextmanager
async def operating(redis_url, keyring=KEYRING):
    async with open_redis(redis_url, name="operator", blocking=BLOCK) as redis:
        yield Operator(redis, KEYS, keyring, actor="somebody@somewhere")


def told(redis_url):
    """Return what the trail holds of commands and alarms."""
    with asking(redis_url) as client:
        records = [json.loads(entry["record"]) for entry in entries(client, KEYS.audit_security)]
    return [record for record in records if record["event"] in {"CONTROL", "ALARM"}]


def say(redis_url, runner, command, *, key=KEYRING.record, place=None):
    """Publish a command as the operator would, or not quite."""
    stored = protect(key, place or KEYS.steering(runner), msgspec.json.encode(command))
    with asking(redis_url) as client:
        return client.publish(KEYS.steering(runner), stored)


def now(redis_url):
    with asking(redis_url) as client:
        seconds, micros = client.time()
        return seconds + micros / 1e6


def stop(redis_url, identity="a" * 32, **changes):
    given = Command(identity, Do.STOP, "agents/a", now(redis_url) + 10, "x")
    return msgspec.structs.replace(given, **changes)


async def states_of(operator, path):
    trees = [runner.tree for runner in await operator.runners()]
    return [node.state for tree in trees for node in tree.walk() if node.path == path]


def state(system, path="agents/a"):
    return system.root.tree().find(path).state


async def test_every_runner_on_the_redis_is_seen_and_is_gone_when_it_ends(redis_url):
    async with operating(redis_url) as operator:
        async with (
            running(redis_url, parts=frozenset({"gateway", "service"})) as first,
            running(redis_url, parts=frozenset({"agents"}), a=Plain) as second,
        ):
            with anyio.fail_after(10):
                while State.RUNNING not in await states_of(operator, "agents/a"):
                    await anyio.sleep(0.01)
            seen = {runner.runner: runner for runner in await operator.runners()}
            assert seen.keys() == {first.name, second.name}
            assert seen[second.name].parts == ("agents",)
        assert await operator.runners() == []


async def test_a_runner_that_dies_is_forgotten_and_its_name_with_it(redis_url):
    async with running(redis_url, a=Plain) as system:
        with asking(redis_url) as client:
            assert 0 < client.pttl(KEYS.runner(system.name)) <= LIFE * 1000
            client.sadd(KEYS.runners, "dead-1")
        async with operating(redis_url) as operator:
            assert [runner.runner for runner in await operator.runners()] == [system.name]
        async with running(redis_url, parts=frozenset({"gateway"})):
            with asking(redis_url) as client:
                await until(lambda: b"dead-1" not in client.smembers(KEYS.runners))


async def test_how_long_a_runner_has_not_told_is_known(redis_url):
    async with running(redis_url, a=Plain) as system:
        with asking(redis_url) as client:
            stored = client.get(KEYS.runner(system.name))
    with asking(redis_url) as client:
        client.sadd(KEYS.runners, system.name)
        client.set(KEYS.runner(system.name), stored, px=int(LIFE * 1000) - 9000)
    async with operating(redis_url) as operator:
        (runner,) = await operator.runners()
    assert 9 <= runner.silent < LIFE


async def test_a_tree_is_put_up_again_after_a_flush(redis_url):
    async with running(redis_url, a=Plain), operating(redis_url) as operator:
        with asking(redis_url) as client:
            client.flushall()
            await until(lambda: client.exists(KEYS.runners), within=20)
        assert len(await operator.runners()) == 1


async def test_a_tree_that_no_runner_wrote_is_not_shown(redis_url, caplog):
    async with running(redis_url, a=Plain) as system, operating(redis_url) as operator:
        with asking(redis_url) as client:
            genuine = client.get(KEYS.runner(system.name))
            client.sadd(KEYS.runners, "forged", "moved", "x:y")
            client.set(KEYS.runner("forged"), protect(OTHER.record, KEYS.runner("forged"), genuine[65:]))
            client.set(KEYS.runner("moved"), genuine)
        assert [runner.runner for runner in await operator.runners()] == [system.name]
    assert len([record for record in caplog.records if "not what a runner wrote" in record.message]) == 2


async def test_a_command_is_done_answered_and_audited(redis_url):
    async with running(redis_url, a=Plain) as system, operating(redis_url) as operator:
        answer = await operator.command(system.name, Do.STOP, "agents/a", within=10)
        assert answer == Answer("", State.STOPPED)
        assert state(system) is State.STOPPED
        assert await states_of(operator, "agents/a") == [State.STOPPED]
        answer = await operator.command(system.name, Do.STOP, "agents/b", within=10)
        assert answer == Answer("agents/b is not a child of mas")
    assert [(each["event"], each["subject"], each["actor"], each["detail"]) for each in told(redis_url)] == [
        ("CONTROL", "agents/a", "somebody@somewhere", "stop: done"),
        ("CONTROL", "agents/b", "somebody@somewhere", "stop: agents/b is not a child of mas"),
    ]


async def test_the_answer_to_a_restart_names_those_that_were_restarted_along(redis_url):
    front = {"name": "front", "strategy": "rest_for_one", "children": ["a", "b", "c", "d"]}
    people = dict.fromkeys("abcd", Plain)
    async with (
        running(redis_url, options={"supervisors": [front]}, **people) as system,
        operating(redis_url) as operator,
    ):
        await operator.command(system.name, Do.STOP, "agents/front/c", within=10)
        answer = await operator.command(system.name, Do.RESTART, "agents/front/b", within=10)
        assert answer == Answer("", State.RUNNING, ("agents/front/d",))
        answer = await operator.command(system.name, Do.RESTART, "agents/front/d", within=10)
        assert answer == Answer("", State.RUNNING)


@pytest.mark.parametrize("path", ["", "gateway", "connection", "agentsx"])
async def test_the_residents_are_not_to_be_steered(redis_url, path):
    async with running(redis_url, a=Plain) as system, operating(redis_url) as operator:
        answer = await operator.command(system.name, Do.STOP, path, within=10)
        assert answer.error == "only agents and what is below it can be steered"


async def test_a_start_that_fails_is_the_answer(redis_url):
    class Moody(Agent[dict[str, Any]]):
        fails = False

        def __init__(self, agent_id):
            super().__init__(agent_id)
            if self.fails:
                raise ValueError("not today")

    async with running(redis_url, a=Moody) as system, operating(redis_url) as operator:
        Moody.fails = True
        answer = await operator.command(system.name, Do.RESTART, "agents/a", within=10)
        assert "not today" in answer.error


async def test_draining_waits_for_what_is_under_way_and_begins_nothing_more(redis_url):
    tally, release = Tally(), anyio.Event()

    class Slow(Agent[dict[str, Any]]):
        @Agent.on("job")
        async def work(self, message, payload):
            tally.note(message.data)
            await release.wait()

    async with running(redis_url, a=Slow, boss=Plain) as system, operating(redis_url) as operator:
        await system.agent("boss").send("a", "job", 1)
        await tally.reaches(1)
        answers = []

        async def drain():
            answers.append(await operator.command(system.name, Do.DRAIN, "agents/a", within=20))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drain)
            await until(lambda: state(system) is State.PAUSED)
            await system.agent("boss").send("a", "job", 2)
            await anyio.wait_all_tasks_blocked()
            assert answers == []
            release.set()
        assert answers == [Answer("", State.PAUSED)]
        assert tally.seen == [1]
        async with operating(redis_url) as another:
            await another.command(system.name, Do.RESUME, "agents/a", within=10)
        assert await tally.reaches(2) == [1, 2]


ALARMS = {
    "another secret": "does not carry the MAC it must",
    "another runner": "does not carry the MAC it must",
    "no command": "does not carry the MAC it must",
    "too late": "outside its time",
    "too early": "outside its time",
    "bad id": "outside its time",
}


@pytest.mark.parametrize("how", ALARMS)
async def test_a_command_that_is_not_what_it_must_be_is_refused_with_an_alarm(redis_url, how, caplog):
    async with running(redis_url, a=Plain) as system:
        command: Any = stop(redis_url)
        options: dict[str, Any] = {}
        match how:
            case "another secret":
                options["key"] = OTHER.record
            case "another runner":
                options["place"] = KEYS.steering("somebody-else")
            case "no command":
                command = {"do": "everything"}
            case "too late":
                command = stop(redis_url, expires=now(redis_url) - 0.01)
            case "too early":
                command = stop(redis_url, expires=now(redis_url) + VALIDITY + 60)
            case "bad id":
                command = stop(redis_url, identity="*")
        assert say(redis_url, system.name, command, **options) == 1
        await until(lambda: told(redis_url))
        assert state(system) is State.RUNNING
    (event,) = told(redis_url)
    assert event["event"] == "ALARM"
    assert ALARMS[how] in event["detail"]
    assert [record.levelname for record in caplog.records if "security alarm" in record.message] == [
        "CRITICAL"
    ]


async def test_a_command_is_obeyed_once(redis_url):
    async with running(redis_url, a=Plain) as system:
        command = stop(redis_url)
        say(redis_url, system.name, command)
        await until(lambda: told(redis_url))
        await system.root.start("agents/a")
        say(redis_url, system.name, command)
        await until(lambda: len(told(redis_url)) == 2)
        assert state(system) is State.RUNNING
    assert "a second time" in told(redis_url)[1]["detail"]


async def test_nobody_listening_and_nobody_answering_are_told_apart(redis_url):
    async with operating(redis_url) as operator:
        with pytest.raises(MasError, match="nobody does not listen"):
            await operator.command("nobody", Do.STOP, "agents/a", within=1)
    async with running(redis_url, a=Plain) as system, operating(redis_url, OTHER) as stranger:
        with pytest.raises(MasError, match=r"did not say within 0\.3 s"):
            await stranger.command(system.name, Do.STOP, "agents/a", within=0.3)


async def test_a_forged_answer_is_not_believed(redis_url):
    async with operating(redis_url) as operator:
        with asking(redis_url) as client, client.pubsub() as runner:
            runner.subscribe(KEYS.steering("r"))
            assert runner.get_message(timeout=5)["type"] == "subscribe"

            async def answer():
                said = await anyio.to_thread.run_sync(lambda: runner.get_message(timeout=5))
                place = KEYS.steering_answer(json.loads(said["data"][65:])["id"])
                client.rpush(place, protect(OTHER.record, place, b"{}"))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(answer)
                with pytest.raises(IntegrityError):
                    await operator.command("r", Do.STOP, "agents/a", within=5)
