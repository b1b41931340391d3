"""State that outlives its agent."""

import dataclasses
from typing import Any, TypedDict

import attrs
import msgspec
import pydantic
import pytest

from mas import Agent, PayloadInvalid
from tests.world import asking, running


class StructState(msgspec.Struct):
    seen: int = 0
    names: list[str] = []


@attrs.define
class AttrsState:
    seen: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    names: list[str] = attrs.Factory(list)


@dataclasses.dataclass
class DataclassState:
    seen: int = 0
    names: list[str] = dataclasses.field(default_factory=list)


class PydanticState(pydantic.BaseModel):
    seen: int = pydantic.Field(default=0, ge=0)
    names: list[str] = []


class DictState(TypedDict, total=False):
    seen: int
    names: list[str]


def remembering(state: Any) -> type[Agent[Any]]:
    class Remembers(Agent[state]):
        async def on_start(self):
            assert self.state is not None

    return Remembers


KINDS = [StructState, AttrsState, DataclassState, PydanticState]


@pytest.mark.parametrize("kind", KINDS)
async def test_typed_state_is_stored_a_field_at_a_time_and_loaded_by_the_next_run(redis_url, kind):
    agent_class = remembering(kind)
    async with running(redis_url, a=agent_class) as system:
        a = system.agent("a")
        assert a.state == kind()
        await a.update_state({"seen": 1})
        await a.update_state({"seen": 2, "names": ["ä", "b"]})
        assert a.state == kind(seen=2, names=["ä", "b"])
        with asking(redis_url) as client:
            stored = client.hgetall("agent.state:a")
            assert stored == {b"seen": b"2", b"names": '["ä","b"]'.encode(), b"_version": b"2"}
    async with running(redis_url, a=agent_class) as system:
        a = system.agent("a")
        assert a.state == kind(seen=2, names=["ä", "b"])
        assert type(a.state) is kind
        await a.reset_state()
        assert a.state == kind()
    async with running(redis_url, a=agent_class) as system:
        assert system.agent("a").state == kind()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_change_that_does_not_fit_changes_nothing(redis_url, kind):
    async with running(redis_url, a=remembering(kind)) as system:
        a = system.agent("a")
        await a.update_state({"seen": 5})
        for bad in ({"seen": "many"}, {"unheard_of": 1}, {"seen": 6, "names": 3}):
            with pytest.raises(PayloadInvalid):
                await a.update_state(bad)
        assert a.state == kind(seen=5)
        with asking(redis_url) as client:
            assert client.hget("agent.state:a", "seen") == b"5"


@pytest.mark.parametrize("kind", [dict[str, Any], dict, DictState])
async def test_dict_state_takes_any_json_and_is_loaded_by_the_next_run(redis_url, kind):
    agent_class = remembering(kind)
    async with running(redis_url, a=agent_class) as system:
        a = system.agent("a")
        assert a.state == {}
        await a.update_state({"seen": 1, "names": ["x"]})
        await a.update_state({"seen": 2})
    async with running(redis_url, a=agent_class) as system:
        assert system.agent("a").state == {"seen": 2, "names": ["x"]}


async def test_the_state_model_of_a_base_class_and_of_the_constructor_are_found(redis_url):
    class Base(Agent[StructState]):
        pass

    class Inherits(Base):
        pass

    class Told(Agent[PydanticState]):
        def __init__(self, agent_id, **more):
            super().__init__(agent_id, state_model=PydanticState, **more)

    async with running(redis_url, a=Inherits, b=Told) as system:
        assert system.agent("a").state == StructState()
        assert system.agent("b").state == PydanticState()


async def test_state_is_there_before_the_first_message_and_before_on_start(redis_url):
    seen: list[Any] = []

    class Counts(Agent[StructState]):
        async def on_start(self):
            seen.append(self.state.seen)

        @Agent.on("count")
        async def count(self, message, payload):
            await self.update_state({"seen": self.state.seen + 1})
            await message.reply("counted", self.state.seen)

    class Asks(Agent[dict[str, Any]]):
        pass

    for run in range(2):
        async with running(redis_url, a=Asks, b=Counts) as system:
            assert (await system.agent("a").request("b", "count", timeout=5)).data == run + 1
    assert seen == [0, 1]


async def test_state_that_no_longer_fits_keeps_the_agent_from_starting_and_says_what_is_wrong(redis_url):
    with asking(redis_url) as client:
        client.hset("agent.state:a", "seen", '"CANARY"')
    with pytest.raises(BaseException, match=r"state of a: does not fit StructState") as caught:
        async with running(redis_url, a={"class_path": remembering(StructState), "max_restarts": 0}):
            pass
    assert "CANARY" not in str(caught.value)
